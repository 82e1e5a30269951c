"""Several workers of one host are one chat: each one is a node of its room."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import signal
import ssl
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.cluster.redis_server import RedisServer
from tests.cluster.test_cluster import HOOK, is_degraded, join_with_voice, post
from tests.cluster.test_killed_worker import await_snapshot
from tests.conftest import StartDaemon, StartManaged
from tests.listeners.chat.test_service import Irc
from tests.listeners.chat.web_irc import WebIrc
from tests.protocols.websocket_client import handshake
from tests.support import ConfiguredDaemon, make_certificate, stop_process, wait_until

CONFIG = """
[netd]
heartbeat_timeout = "60s"

[listeners.lounge]
kind = "chat"
address = "tcp://127.0.0.1:0"
workers = {workers}
motd = ""
flood_rate = 0
connect_rate = 0
channel = ""
server_name = "one.example"
history_file = "{folder}/history.db"
history_lines = 4
cluster = {{ engine = "unix://{path}", name = "example", node = "one", deadline = "60s" }}
"""


class Host:
    """A daemon with several workers, and its clients."""

    def __init__(self, daemon: ConfiguredDaemon, stack: contextlib.ExitStack) -> None:
        self.daemon = daemon
        self._stack = stack
        self.await_engine()

    def await_engine(self) -> None:
        """Wait until all workers are in the room."""
        wait_until(lambda: self.daemon.serves() and not is_degraded(self.daemon), "the engine")

    @property
    def pids(self) -> Sequence[int]:
        """The processes of the workers."""
        return self.daemon.pids("lounge")

    @contextlib.contextmanager
    def only(self, pid: int) -> Iterator[None]:
        """Stop all other workers meanwhile."""
        others = [other for other in self.pids if other != pid]
        for other in others:
            stop_process(other)
        try:
            yield
        finally:
            for other in others:
                os.kill(other, signal.SIGCONT)

    def enter(self, *lines: str) -> Irc:
        """Connect a client, which sends some lines."""
        client = self._stack.enter_context(contextlib.closing(Irc(self.daemon.connect("lounge"))))
        client.send(*lines)
        return client

    def connect(self, pid: int, nick: str) -> Irc:
        """Connect a client to a worker, which joins #room."""
        with self.only(pid):
            client = self.enter()
            return client.register(nick).join("#room")

    def connect_to_each(self, *nicks: str) -> list[Irc]:
        """Connect a client to each worker, and wait until all see all."""
        clients = [self.connect(pid, nick) for pid, nick in zip(self.pids, nicks, strict=True)]
        say(clients, "at first")
        return clients

    def set_workers(self, count: int) -> None:
        """Reload with a number of workers."""
        config = self.daemon.config
        config.write_text(re.sub("workers = .*", f"workers = {count}", config.read_text()))
        assert self.daemon.reload().error == ""
        wait_until(lambda: len(self.pids) == count, "the end of the others")
        self.await_engine()


@pytest.fixture
def host(start_daemon: StartDaemon, redis: RedisServer, tmp_path: Path) -> Iterator[Host]:
    """A host with two workers."""
    daemon = start_daemon(CONFIG.format(workers=2, path=redis.path, folder=tmp_path))
    with contextlib.ExitStack() as stack:
        yield Host(daemon, stack)


def say(clients: Sequence[Irc], text: str) -> None:
    """Let each client say something, which all others get next, once and in one order."""
    for number, client in enumerate(clients):
        client.send(f"PRIVMSG #room :{text} {number}")
        for other in clients:
            if other is not client:
                other.expect(f"PRIVMSG #room :{text} {number}")


def names(client: Irc) -> set[str]:
    """The members of the channel."""
    client.send("NAMES #room")
    return set(client.expect(" 353 ").rpartition(":")[2].replace("@", "").split())


def test_members_of_both_workers_are_in_one_room(host: Host) -> None:
    clients = host.connect_to_each("alice", "bob")
    assert names(clients[0]) == names(clients[1]) == {"alice", "bob"}

    def counted() -> list[int | None]:
        counters = host.daemon.listener("lounge")["counters"]
        return [counters.get(name) for name in ("connections", "members")]

    wait_until(lambda: counted() == [2, 2], "the heartbeats")


def test_the_number_of_workers_changes_and_no_member_notices(host: Host) -> None:
    clients = host.connect_to_each("alice", "bob")
    host.set_workers(4)
    clients += [
        host.connect(pid, nick) for pid, nick in zip(host.pids[2:], ("carol", "dave"), strict=True)
    ]
    for client in clients[:3]:
        client.expect(":dave!~dave@127.0.0.1 JOIN")
    say(clients, "four")
    host.set_workers(1)
    for number, client in enumerate(clients):
        client.send(f"PRIVMSG #room :one {number}")
        for other in clients:
            if other is not client:
                assert other.expect("").endswith(f"PRIVMSG #room :one {number}")
    assert names(clients[0]) == {"alice", "bob", "carol", "dave"}
    host.set_workers(2)
    say(clients, "two")


def test_a_client_returns_to_another_worker_by_its_token(host: Host) -> None:
    first, second = host.pids
    bob = host.connect(second, "bob")
    with host.only(first):
        alice = host.enter("CAP REQ :netd.dev/resume", "NICK alice", "USER alice 0 * :x")
        token = alice.expect("RESUME TOKEN").rpartition(" ")[2]
    join_with_voice(alice, bob)
    with host.only(second):
        again = host.enter("CAP REQ :netd.dev/resume", f"RESUME {token}", "NICK alice")
        again.send("USER alice 0 * :x", "CAP END")
        again.expect(" 001 alice ")
    assert again.expect(" 353 ").endswith(":@bob +alice")
    alice.expect("ERROR")
    again.send("PRIVMSG #room :back")
    mode, said = (bob.expect("") for _ in range(2))
    assert mode.endswith("MODE #room +v alice")
    assert said.endswith(":alice!~alice@127.0.0.1 PRIVMSG #room :back")
    assert names(bob) == {"bob", "+alice"}


def test_scripts_post_by_any_worker_as_one_member(
    start_daemon: StartDaemon, redis: RedisServer, tmp_path: Path
) -> None:
    daemon = start_daemon(CONFIG.format(workers=2, path=redis.path, folder=tmp_path) + HOOK)
    with contextlib.ExitStack() as stack:
        host = Host(daemon, stack)
        first, second = host.pids
        alice = host.connect(first, "alice")
        ids = []
        for pid in (first, second):
            with host.only(pid):
                ids.append(post(daemon, f"from {pid}"))
            assert alice.expect("PRIVMSG") == f":deploy!~hook@localhost PRIVMSG #room :from {pid}"
        with host.only(second):
            assert post(daemon, f"from {first}") == ids[0]


def history(client: Irc) -> list[str]:
    """What was said in the channel, beyond what is in memory."""
    client.send("CAP REQ :batch draft/chathistory", "CHATHISTORY LATEST #room * 100")
    client.expect("BATCH +")
    lines = iter(lambda: client.expect(""), None)
    said = itertools.takewhile(lambda line: "BATCH -" not in line, lines)
    return [line.rpartition(" :")[2] for line in said if "PRIVMSG" in line]


def test_a_killed_worker_leaves_no_gap_in_the_history(host: Host) -> None:
    _, bob = host.connect_to_each("alice", "bob")
    first, second = host.pids
    os.kill(first, signal.SIGKILL)
    texts = [f"line {number}" for number in range(20)]
    bob.send(*(f"PRIVMSG #room :{text}" for text in texts), "PING x")
    bob.expect("PONG")
    wait_until(lambda: host.pids and first not in host.pids, "the next worker")
    host.await_engine()
    said = ["at first 0", "at first 1", *texts]
    for pid, nick in zip(host.pids, ("carol", "dave"), strict=True):
        assert history(host.connect(pid, nick)) == said
    assert second in host.pids


def test_a_restart_and_an_upgrade_keep_the_clients_of_all_workers(
    start_managed: StartManaged, redis: RedisServer, tmp_path: Path
) -> None:
    daemon = start_managed(CONFIG.format(workers=2, path=redis.path, folder=tmp_path))
    with contextlib.ExitStack() as stack:
        host = Host(daemon, stack)
        clients = host.connect_to_each("alice", "bob")
        text = daemon.config.read_text()
        daemon.config.write_text(text.replace("workers = 2", "workers = 1"))
        daemon.systemd.restart()
        say(clients, "after the restart")
        wait_until(lambda: len(host.pids) == 1, "one worker")
        daemon.config.write_text(text)
        done = daemon.netd("upgrade")
        assert done.returncode == 0, done.stderr
        wait_until(lambda: len(host.pids) == 2, "two workers")
        say(clients, "after the upgrade")
        said = ["at first", "after the restart", "after the upgrade"]
        assert history(clients[0]) == [f"{text} {number}" for text in said for number in range(2)]


WEB = """
[listeners.web]
kind = "http"
address = "tcp://127.0.0.1:0"
routes = [{ path = "/chat", chat = "lounge" }]
"""


class SecureHost(Host):
    """A host whose clients use TLS with a certificate, or a WebSocket."""

    def __init__(
        self, daemon: ConfiguredDaemon, stack: contextlib.ExitStack, files: dict[str, str]
    ) -> None:
        super().__init__(daemon, stack)
        self._context = ssl.create_default_context(cafile=files["certificate"])
        self._context.load_cert_chain(files["certificate"], files["key"])

    def enter(self, *lines: str) -> Irc:
        sock = self._context.wrap_socket(self.daemon.connect("lounge"), server_hostname="one.test")
        client = self._stack.enter_context(contextlib.closing(Irc(sock)))
        client.send(*lines)
        return client

    def enter_by_web(self, pid: int, nick: str) -> WebIrc:
        """As `connect`, by the HTTP listener."""
        with self.only(pid):
            client = self._stack.enter_context(
                contextlib.closing(WebIrc(self.daemon.connect("web")))
            )
            client.sock.sendall(handshake())
            client.shake_hands().register(nick).join("#room")
        return client

    def is_back(self, pid: int, nick: str) -> bool:
        """Whether a new client with the certificate gets a nick on a worker."""
        with self.only(pid):
            client = self.enter(f"NICK {nick}", f"USER {nick} 0 * :x")
            return " 001 " in client.expect(f" {nick} :")


def test_clients_of_all_transports_are_on_all_workers(
    start_daemon: StartDaemon, redis: RedisServer, tmp_path: Path
) -> None:
    files = make_certificate(tmp_path, "one.test")
    tls = ", ".join(f'{key} = "{path}"' for key, path in files.items())
    config = CONFIG.format(workers=2, path=redis.path, folder=tmp_path)
    daemon = start_daemon(f'{config}tls = {{ {tls}, client_ca = "{files["certificate"]}" }}\n{WEB}')
    with contextlib.ExitStack() as stack:
        host = SecureHost(daemon, stack, files)
        first, second = host.pids
        clients = [host.connect(first, "alice"), host.connect(second, "bob")]
        clients += [host.enter_by_web(first, "carol"), host.enter_by_web(second, "dave")]
        say(clients, "hello")
        _, bob, *_ = clients
        await_snapshot(daemon, clients[0])
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: first not in host.pids and len(host.pids) == 2, "the next worker")
        host.await_engine()
        wait_until(lambda: host.is_back(second, "alice"), "its return by the certificate")
        bob.send("NAMES #room")
        assert "alice" in bob.expect("353")
