"""Several workers of one host are one chat: each one is a node of its room."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Iterator, Sequence

import pytest

from tests.cluster.redis_server import RedisServer
from tests.cluster.test_cluster import is_degraded
from tests.conftest import StartDaemon
from tests.listeners.chat.test_service import Irc
from tests.support import Daemon, wait_until

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

    def __init__(self, daemon: Daemon, stack: contextlib.ExitStack) -> None:
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

    def connect(self, pid: int, nick: str) -> Irc:
        """Connect a client to a worker, which joins #room."""
        others = [other for other in self.pids if other != pid]
        for other in others:
            os.kill(other, signal.SIGSTOP)
        try:
            client = self._stack.enter_context(
                contextlib.closing(Irc(self.daemon.connect("lounge")))
            )
            client.register(nick).join("#room")
        finally:
            for other in others:
                os.kill(other, signal.SIGCONT)
        return client

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
def host(start_daemon: StartDaemon, redis: RedisServer, tmp_path: object) -> Iterator[Host]:
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
    wait_until(
        lambda: host.daemon.listener("lounge")["counters"].get("connections") == 2, "a heartbeat"
    )
    assert host.daemon.listener("lounge")["counters"]["members"] == 2


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
