"""Several daemons that are one chat, by way of a real Redis."""

from __future__ import annotations

import base64
import contextlib
import http.client
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from unittest import mock

import pytest

from netd.listeners.chat import KIND
from netd.listeners.chat.cluster.resp import ReplyError
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands import COMMANDS
from netd.listeners.chat.room.commands.base import Command
from tests.cluster.redis_server import RedisServer, on_each_engine
from tests.conftest import StartDaemon
from tests.listeners.chat.test_service import Irc
from tests.support import ConfiguredDaemon, Daemon, WorkerUnderTest, stop_process, wait_until

CONFIG = """
[listeners.lounge]
kind = "chat"
address = "tcp://127.0.0.1:0"
motd = ""
flood_rate = 0
channel = ""
server_name = "{node}.example"
cluster = {{ engine = "unix://{path}", name = "example", node = "{node}", deadline = "60s" }}
"""

_PLAIN = base64.b64encode(b"\0alice\0correct-horse").decode()

StartNode = Callable[..., Daemon]
Join = Callable[[Daemon, str], Irc]


def is_degraded(daemon: ConfiguredDaemon) -> bool:
    """Whether the chat of a daemon is degraded."""
    return str(daemon.listener("lounge")["state"]) == "degraded"


@pytest.fixture
def start_node(start_daemon: StartDaemon, redis: RedisServer) -> StartNode:
    """Start a daemon that is a host of the chat; one that lags is not removed from it for long."""

    def start(node: str, deadline: str = "60s", options: str = "") -> Daemon:
        config = CONFIG.replace('"60s"', f'"{deadline}"')
        daemon = start_daemon(f"{config.format(node=node, path=redis.path)}\n{options}\n")
        wait_until(lambda: not is_degraded(daemon), "the engine")
        return daemon

    return start


@pytest.fixture
def join() -> Iterator[Join]:
    """Connect a client, which joins #room."""
    with contextlib.ExitStack() as stack:

        def connect(daemon: Daemon, nick: str) -> Irc:
            client = stack.enter_context(contextlib.closing(Irc(daemon.connect("lounge"))))
            return client.register(nick).join("#room")

        yield connect


def join_with_voice(alice: Irc, bob: Irc) -> None:
    """Finish the registration of alice, to whom bob gives a voice in #room."""
    alice.send("CAP END")
    alice.expect(" 001 ")
    alice.join("#room")
    bob.expect("JOIN")
    bob.send("MODE #room +v alice")
    alice.expect("+v")


@on_each_engine
def test_members_of_two_hosts_talk(start_node: StartNode, join: Join) -> None:
    alice, bob = join(start_node("one"), "alice"), join(start_node("two"), "bob")
    alice.expect(":bob!~bob@")
    alice.send("PRIVMSG #room :hello")
    assert bob.expect("PRIVMSG").endswith("PRIVMSG #room :hello")
    bob.send("PRIVMSG alice :psst")
    assert alice.expect("PRIVMSG").endswith("PRIVMSG alice :psst")
    bob.send("NAMES #room")
    assert bob.expect(" 353 ").endswith(":@alice bob")


def test_a_nick_is_held_by_one_member(start_node: StartNode, join: Join) -> None:
    one, two = start_node("one"), start_node("two")
    alice = join(one, "alice")
    with contextlib.closing(Irc(two.connect("lounge"))) as other:
        other.send("NICK alice", "USER a 0 * :a")
        other.expect(" 433 ")
        other.send("NICK bob")
        other.expect(" 001 ")
        other.send("NICK alice")
        other.expect(" 433 ")
        alice.send("NICK carol", "PRIVMSG bob :done")
        other.expect("done")
        other.send("NICK alice")
        other.expect("NICK alice")


def test_a_host_that_joins_later_has_the_room(start_node: StartNode, join: Join) -> None:
    one = start_node("one")
    alice = join(one, "alice")
    alice.send("MODE #room +t", "TOPIC #room :what we said", "PRIVMSG #room :first", "PING x")
    alice.expect("PONG")
    bob = join(start_node("two"), "bob")
    bob.send("TOPIC #room")
    assert bob.expect(" 332 ").endswith(":what we said")


def test_the_members_of_a_killed_host_leave(start_node: StartNode, join: Join) -> None:
    one, two = start_node("one", "3s"), start_node("two", "3s")
    alice, bob = join(one, "alice"), join(two, "bob")
    alice.expect("JOIN")
    two.process.send_signal(signal.SIGKILL)
    assert "QUIT" in alice.expect(":bob!")
    del bob


def test_the_members_of_a_stopped_host_leave_at_once(start_node: StartNode, join: Join) -> None:
    one, two = start_node("one"), start_node("two")
    alice, bob = join(one, "alice"), join(two, "bob")
    alice.expect("JOIN")
    assert two.stop() == 0
    assert alice.expect(":bob!").endswith("QUIT :server shutting down")
    bob.expect("ERROR")
    joined, left = "chat: the host two has joined", "chat: the host two has left: server shutting"
    assert one.log.read_text().index(joined) < one.log.read_text().index(left)


@pytest.mark.parametrize(
    ("key", "changed"), [('name = "example"', 'name = "other"'), ("cluster = ", "# cluster = ")]
)
def test_members_leave_whose_host_goes_to_another_chat(
    start_node: StartNode, join: Join, key: str, changed: str
) -> None:
    one, two = start_node("one"), start_node("two")
    alice, bob = join(one, "alice"), join(two, "bob")
    alice.expect("JOIN")
    two.config.write_text(two.config.read_text().replace(key, changed))
    assert two.reload().error == ""
    assert alice.expect(":bob!").endswith("QUIT :its server has left this chat")
    bob.expect(":alice!")
    bob.send("NAMES #room")
    assert bob.expect(" 353 ").endswith("#room bob")


def test_lines_wait_for_an_engine_that_is_away(
    start_node: StartNode, join: Join, redis: RedisServer
) -> None:
    one, two = start_node("one"), start_node("two")
    alice, bob = join(one, "alice"), join(two, "bob")
    redis.kill()
    wait_until(lambda: is_degraded(one), "the loss")
    probe = one.netd("probe", "--timeout", "0.1").stdout
    assert f"; degraded: the chat's engine cannot be used, lines wait: {redis.address}: " in probe
    alice.send("PRIVMSG #room :patience", "PING x")
    redis.start()
    assert bob.expect("PRIVMSG").endswith(":patience")
    alice.expect("PONG")


def test_a_reload_with_a_new_worker_keeps_the_clients(start_node: StartNode, join: Join) -> None:
    one, two = start_node("one"), start_node("two")
    alice, bob = join(one, "alice"), join(two, "bob")
    alice.expect("JOIN")
    config = one.config.read_text().replace('deadline = "60s"', 'deadline = "30s"')
    one.config.write_text(config)
    assert one.reload().error == ""
    alice.send("PRIVMSG #room :still here")
    assert bob.expect("#room").endswith(":still here")
    bob.send("PRIVMSG #room :so am I")
    assert alice.expect("bob").endswith(":so am I")


def test_a_worker_that_is_killed_enters_again(start_node: StartNode, join: Join) -> None:
    one, two = start_node("one"), start_node("two")
    bob = join(two, "bob")
    with contextlib.closing(Irc(one.connect("lounge"))) as alice:
        alice.register("alice").join("#room")
        bob.expect("alice!")
        [pid] = one.pids("lounge")
        os.kill(pid, signal.SIGKILL)
        assert "QUIT" in bob.expect(":alice!")
    carol = join(one, "carol")  # the place of alice is kept if there was a snapshot of it
    carol.send("PRIVMSG #room :back")
    assert bob.expect("PRIVMSG").endswith(":back")


def test_a_host_that_was_frozen_beyond_its_deadline_comes_back(
    start_node: StartNode, join: Join
) -> None:
    one, two = start_node("one", "3s"), start_node("two", "3s")
    alice, bob = join(one, "alice"), join(two, "bob")
    alice.expect("JOIN")
    [pid] = two.pids("lounge")
    stop_process(pid)
    alice.expect("QUIT")
    alice.send("PRIVMSG #room :missed")
    os.kill(pid, signal.SIGCONT)
    assert "JOIN #room" in alice.expect(":bob!")
    bob.send("PRIVMSG #room :I am back")
    assert alice.expect("PRIVMSG").endswith(":I am back")


def test_an_emptied_engine_gets_the_members_again(
    start_node: StartNode, join: Join, redis: RedisServer
) -> None:
    one, two = start_node("one"), start_node("two")
    alice, bob = join(one, "alice"), join(two, "bob")
    alice.expect("JOIN")
    redis.call("FLUSHALL")
    alice.send("PRIVMSG #room :in an empty engine")
    bob.expect("in an empty engine")
    bob.send("NAMES #room")
    assert bob.expect(" 353 ").endswith(":@alice bob")


def test_an_account_of_one_host_is_one_of_all_and_outlives_an_emptied_engine(
    start_node: StartNode, join: Join, redis: RedisServer
) -> None:
    one, two = (start_node(name, options="registration = { }") for name in ("one", "two"))
    alice, bob = join(one, "alice"), join(two, "bob")
    bob.send("CAP REQ account-notify")
    bob.expect(" ACK ")
    alice.expect("JOIN")
    alice.send("REGISTER alice * :correct-horse")
    alice.expect("REGISTER SUCCESS")
    assert bob.expect("ACCOUNT").endswith("ACCOUNT alice")
    redis.call("FLUSHALL")
    alice.send("PRIVMSG #room :in an empty engine")
    bob.expect("in an empty engine")
    with contextlib.closing(Irc(two.connect("lounge"))) as other:
        other.send("CAP REQ :sasl", "AUTHENTICATE PLAIN", f"AUTHENTICATE {_PLAIN}")
        other.expect(" 900 ")
        other.send("NICK other", "USER x 0 * :x", "CAP END")
        assert other.expect(" 001 ").endswith("alice!~alice@127.0.0.1")


def test_many_lines_at_once_arrive_in_order(start_node: StartNode, join: Join) -> None:
    one, two = start_node("one"), start_node("two")
    alice, bob = join(one, "alice"), join(two, "bob")
    count = 6000  # more than one reads at once
    alice.send(*(f"PRIVMSG #room :{number}" for number in range(count)))
    assert [bob.expect("PRIVMSG").rpartition(":")[2] for _ in range(count)] == [
        *map(str, range(count))
    ]


def test_a_line_that_meets_a_bug_is_skipped_on_all_hosts(redis: RedisServer) -> None:
    def topic(_context: CommandContext, _params: Sequence[str]) -> None:
        raise ZeroDivisionError

    options = {"flood_rate": 0, "channel": "", "server_name": "irc.test"}
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.dict(COMMANDS, {"TOPIC": Command(topic, "")}))
        clients = []
        for node in ("one", "two"):
            cluster = {"engine": f"unix://{redis.path}", "node": node}
            options = {**options, "cluster": cluster}
            worker = WorkerUnderTest(KIND, options, ["tcp://127.0.0.1:0"])
            stack.callback(worker.close)
            client = stack.enter_context(contextlib.closing(Irc(worker.connect())))
            clients.append(client.register(node).join("#room"))
        one, two = clients
        one.send("TOPIC #room :x", "PRIVMSG #room :after it")
        two.expect(":after it")
        one.send("PING x")
        one.expect("PONG")


def test_a_poisoned_entry_is_skipped_on_all_hosts(
    start_node: StartNode, join: Join, redis: RedisServer
) -> None:
    one, two = start_node("one"), start_node("two")
    alice, bob = join(one, "alice"), join(two, "bob")
    alice.expect("JOIN")
    for fields in (
        (b"no", b"entry"),
        (b"k", b"i", b"n", b"one", b"i", b"x", b"t", b"1", b"p", b"?"),
    ):
        _append_to_log(redis, *fields)
    alice.send("PRIVMSG #room :still here")
    assert bob.expect("PRIVMSG").endswith(":still here")
    wait_until(lambda: all(_skipped(node) >= 2 for node in (one, two)), "a count")


def _skipped(daemon: Daemon) -> int:
    """How many inputs were skipped; 0 before the first heartbeat."""
    return int(daemon.listener("lounge")["counters"].get("inputs_skipped", 0))


def _append_to_log(redis: RedisServer, *fields: bytes) -> None:
    """Append an entry past the scripts, as soon as no node appends another one at that moment."""
    while True:
        reply = redis.call("HMGET", "netd:{example}:meta", "epoch", "number")
        assert isinstance(reply, list)
        epoch, number = (int(str(item, "ascii")) for item in reply)
        try:
            redis.call("XADD", "netd:{example}:log", f"{epoch}-{number + 1}", *fields)
        except ReplyError:
            continue
        redis.call("HINCRBY", "netd:{example}:meta", "number", 1)
        return


def test_a_reload_brings_a_chat_to_several_hosts_and_back(
    start_node: StartNode, start_daemon: StartDaemon, join: Join
) -> None:
    two = start_node("two", "3s")
    bob = join(two, "bob")
    clustered = two.config.read_text()
    alone = "\n".join(line for line in clustered.splitlines() if not line.startswith("cluster"))
    one = start_daemon(alone.partition("\n")[2].partition("\n")[2])
    alice = join(one, "alice")
    own = one.config.read_text()
    cluster = next(line for line in clustered.splitlines() if line.startswith("cluster"))
    one.config.write_text(f"{own}\n{cluster.replace('two', 'one')}\n")
    assert one.reload().error == ""
    assert "JOIN #room" in bob.expect(":alice!")
    bob.send("PRIVMSG #room :welcome")
    assert alice.expect(":bob!~bob@127.0.0.1 PRIVMSG").endswith(":welcome")
    one.config.write_text(own)
    assert one.reload().error == ""
    assert "QUIT" in bob.expect(":alice!")
    assert "QUIT" in alice.expect(":bob!")
    alice.send("PING x")
    alice.expect("PONG")


HOOK = """
[listeners.web]
kind = "http"
address = "tcp://127.0.0.1:0"

[[listeners.web.routes]]
path = "/ops"
post = "lounge"
channel = "#room"
nick = "deploy"
allow = "127.0.0.1"
"""


def post(daemon: Daemon, text: str) -> str:
    """Post as a script, with the text as the key; the id of the message."""
    connection = http.client.HTTPConnection("127.0.0.1", daemon.address("web").port)
    with contextlib.closing(connection):
        connection.request("POST", "/ops", text, {"Idempotency-Key": text})
        response = connection.getresponse()
        assert response.status == 204, response.read()
        return response.headers["X-Message-Id"]


def test_scripts_post_on_all_hosts_as_one_member(
    start_daemon: StartDaemon, redis: RedisServer, join: Join
) -> None:
    one, two = (
        start_daemon(CONFIG.format(node=node, path=redis.path) + HOOK) for node in ("one", "two")
    )
    wait_until(lambda: not is_degraded(one) and not is_degraded(two), "the engine")
    alice = join(one, "alice")
    ids = [post(one, "first"), post(two, "second")]
    for text in ("first", "second"):
        assert alice.expect("PRIVMSG") == f":deploy!~hook@localhost PRIVMSG #room :{text}"
    assert [post(two, "first"), post(one, "second")] == ids
