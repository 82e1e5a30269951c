"""What others do to an engine: keys that are changed, memory that is full, a clock that is set."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest

from netd.listeners.chat import KIND
from netd.listeners.chat.cluster.engine_contract import Loss
from netd.listeners.chat.cluster.resp import Reply
from netd.listeners.chat.room.level import FIRST_LEVEL
from tests.cluster.engine_node import Turner
from tests.cluster.redis_server import RedisServer, on_each_engine
from tests.listeners.chat.test_service import Irc
from tests.support import WorkerUnderTest

_LOG, _META, _NODES = (f"netd:{{room}}:{key}" for key in ("log", "meta", "nodes"))
_FOREIGN = ("k", "?", "n", "x", "i", "x", "t", "1")
_HOUR_MS = 3_600_000


def _text(reply: Reply) -> str:
    assert isinstance(reply, bytes)
    return reply.decode()


def _talk(turner: Turner, *lines: str) -> None:
    """Let the first node say something that all nodes read."""
    turner.until_available()
    first, *_ = turner.nodes
    first.say(*lines)
    turner.until(
        lambda: all({*lines} <= {*node.lines} for node in turner.nodes), "the lines on all nodes"
    )


@on_each_engine
def test_an_entry_with_an_id_of_another_user_is_removed(redis: RedisServer, turner: Turner) -> None:
    nodes = [turner.add(redis.address, name) for name in ("one", "two")]
    _talk(turner, "a", "b")
    redis.call("XADD", _LOG, "18446744073709551615-1", *_FOREIGN)
    _talk(turner, "c")
    turner.until_available()
    _talk(turner, "d")
    assert [node.lines for node in nodes] == [["a", "b", "c", "d"]] * 2
    assert sum(node.engine.foreign_entries for node in nodes) == 1


def test_a_foreign_entry_that_was_applied_has_the_room_loaded_again(
    redis: RedisServer, turner: Turner
) -> None:
    nodes = [turner.add(redis.address, name) for name in ("one", "two")]
    _talk(turner, "a")
    last = _text(redis.call("HGET", _META, "number"))
    epoch = _text(redis.call("HGET", _META, "epoch"))
    words = ["t", "1", "k", "i", "n", "x", "i", "x", "s", "1", "p", "foreign"]
    redis.call("XADD", _LOG, f"{epoch}-{int(last) + 1}", *words)
    turner.until(lambda: all("foreign" in node.lines for node in nodes), "the foreign entry")
    _talk(turner, "b")
    assert [node.lines for node in nodes] == [["a", "b"]] * 2
    assert all({*node.losses} <= {Loss.REWOUND, Loss.GAP} for node in nodes)


def test_the_state_of_the_log_is_made_again(redis: RedisServer, turner: Turner) -> None:
    nodes = [turner.add(redis.address, name) for name in ("one", "two")]
    _talk(turner, "a", "b")
    redis.call("DEL", _META)
    _talk(turner, "c")
    assert [node.lines for node in nodes] == [["a", "b", "c"]] * 2
    assert not any(node.losses for node in nodes)


def test_a_node_joins_when_entries_after_the_snapshot_are_lost(
    redis: RedisServer, turner: Turner
) -> None:
    node = turner.add(redis.address, "one")
    _talk(turner, "a")
    node.keep_snapshot()
    turner.until(lambda: redis.call("EXISTS", "netd:{room}:snapshot"), "the snapshot")
    _talk(turner, "b")
    redis.call("DEL", _LOG)
    _talk(turner, "c")
    late = turner.add(redis.address, "two")
    turner.until_available()
    _talk(turner, "d")
    assert late.lines == ["a", "c", "d"]


@pytest.mark.parametrize(
    ("cause", "remedy", "reason"),
    [
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", "OOM "),
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "READONLY "),
        ("ACL SETUSER default -evalsha", "ACL SETUSER default +evalsha", "NOPERM "),
    ],
)
def test_lines_wait_for_an_engine_that_takes_no_writes(
    redis: RedisServer, turner: Turner, cause: str, remedy: str, reason: str
) -> None:
    node = turner.add(redis.address, "one", renew_s=0.05)
    _talk(turner, "a")
    redis.call(*cause.split(" "))
    node.say("b")
    turner.until(lambda: len(node.failures) > 3, "several attempts")
    expected = f"{redis.address}: {reason}"
    assert any(failure.startswith(expected) for failure in node.failures), node.failures
    assert node.failures[-1].startswith(expected)
    assert not node.engine.is_available
    redis.call(*remedy.split(" "))
    turner.until_equal(2)
    assert node.lines == ["a", "b"]


def test_a_lost_node_is_removed_though_the_clock_was_set_back(
    redis: RedisServer, turner: Turner
) -> None:
    node = turner.add(redis.address, "one", time_to_live_s=0.2, renew_s=0.05)
    turner.until_available()
    later = int(time.time() * 1000) + _HOUR_MS
    redis.call("HSET", _NODES, "lost", f"abc 0 {later} {later} 1")
    node.nodes["lost"] = "abc"
    incarnation, sequence, *_ = _text(redis.call("HGET", _NODES, "one")).split()
    redis.call("HSET", _NODES, "one", f"{incarnation} {sequence} {later} {later} 1")
    turner.until(lambda: "lost" not in node.nodes, "the removal")
    assert not node.losses


def test_a_host_follows_a_new_password_and_reports_a_wrong_clock(
    redis: RedisServer, tmp_path: Path
) -> None:
    redis.call("ACL", "SETUSER", "chat", "on", ">first", "~netd:*", "+@all")
    file = tmp_path / "password"
    file.write_text("first\n")
    cluster = {"engine": f"unix://chat@{redis.path}", "password_file": str(file)}
    options = {"flood_rate": 0, "server_name": "irc.test", "cluster": cluster}
    with contextlib.ExitStack() as stack:
        worker = WorkerUnderTest(KIND, options, ["tcp://127.0.0.1:0"])
        stack.callback(worker.close)
        alice = stack.enter_context(contextlib.closing(Irc(worker.connect())))
        alice.register("alice")
        redis.call("ACL", "SETUSER", "chat", "resetpass", ">second")
        redis.call("CLIENT", "KILL", "USER", "chat")
        alice.send("JOIN #room")
        file.write_text("second\n")
        alice.expect(" 366 ")
        worker.await_degraded("")
        worker.await_counters(lambda counters: counters["room_level"] == FIRST_LEVEL)
        later = int(time.time() * 1000) + _HOUR_MS
        redis.call("HSET", "netd:{chat}:meta", "time", later)
        alice.send("PRIVMSG #room :x")
        worker.await_degraded("s ahead of that of this host")
