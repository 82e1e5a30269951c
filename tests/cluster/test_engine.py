"""The log in a real Redis: order, exactly once, deadlines, restarts and losses."""

from __future__ import annotations

import json
import signal
import time
from dataclasses import dataclass, replace
from typing import Any

import pytest

from netd.listeners.chat.cluster import log_reader
from netd.listeners.chat.cluster.departure import leave_room
from netd.listeners.chat.cluster.engine_contract import Loss
from netd.listeners.chat.cluster.engine_state import ENGINE, RoomPlace
from netd.listeners.chat.cluster.log_position import START
from tests.cluster.engine_node import NodeUnderTest, Turner
from tests.cluster.redis_server import RedisServer, on_each_engine


@on_each_engine
def test_all_nodes_read_the_same_order(redis: RedisServer, turner: Turner) -> None:
    nodes = [turner.add(redis.address, name) for name in ("one", "two", "three")]
    turner.until_available()
    for number in range(100):
        for node in nodes:
            node.say(f"{node.name} {number}")
        turner.loop.turn()
    turner.until_equal(300)
    for node in nodes:
        own = [line for line in node.lines if line.startswith(f"{node.name} ")]
        assert own == [f"{node.name} {number}" for number in range(100)], "its order was changed"
        assert node.times == sorted(node.times)
        assert node.engine.waiting == 0


def test_inputs_before_the_engine_can_be_reached_are_appended_later(
    redis: RedisServer, turner: Turner
) -> None:
    redis.kill()
    node = turner.add(redis.address, "one")
    node.say("early")
    turner.until(lambda: node.failures, "a failed attempt")
    redis.start()
    node.say("late")
    turner.until_equal(2)
    assert node.lines == ["early", "late"]


def test_a_node_that_starts_later_gets_all(redis: RedisServer, turner: Turner) -> None:
    first = turner.add(redis.address, "one")
    first.say(*(str(number) for number in range(1000)))
    turner.until_equal(1000)
    turner.add(redis.address, "two")
    turner.until_equal(1000)


def test_a_long_log_is_applied_in_slices(
    redis: RedisServer, turner: Turner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_reader, "_SLICE_S", 0.0)
    first = turner.add(redis.address, "one")
    turner.until_available()
    for number in range(250):  # each is an entry of its own
        first.say(str(number))
        turner.until_equal(number + 1)
    late = turner.add(redis.address, "two")
    while len(late.lines) < 250:
        before = len(late.lines)
        turner.loop.turn()
        assert len(late.lines) <= before + 1, "other events had to wait"
    turner.until_equal(250)


@on_each_engine
def test_a_node_that_starts_later_begins_with_a_snapshot(
    redis: RedisServer, turner: Turner
) -> None:
    first = turner.add(redis.address, "one")
    turner.until_available()
    for number in range(500):
        first.say(str(number))
        turner.loop.turn()
    turner.until_equal(500)
    before = redis.call("XLEN", "netd:{room}:log")
    first.keep_snapshot()
    turner.until(lambda: redis.call("XLEN", "netd:{room}:log") != before, "the shorter log")
    turner.add(redis.address, "two")
    turner.until_equal(500)


@on_each_engine
def test_a_restart_of_the_engine_loses_and_doubles_nothing(
    redis: RedisServer, turner: Turner
) -> None:
    nodes = [turner.add(redis.address, name) for name in ("one", "two")]
    turner.until_available()
    count = 0
    for _ in range(4):
        for _ in range(200):
            for node in nodes:
                node.say(f"{node.name} {count}")
            count += 1
            turner.loop.turn()
        redis.kill()
        redis.start()
    turner.until_equal(2 * count)
    for node in nodes:
        own = [line for line in node.lines if line.startswith(f"{node.name} ")]
        assert own == [f"{node.name} {number}" for number in range(count)]
        assert not node.losses


def test_a_rewound_engine_is_noticed(redis: RedisServer, turner: Turner) -> None:
    nodes = [turner.add(redis.address, name) for name in ("one", "two")]
    turner.until_available()
    nodes[0].say("a", "b")
    turner.until_equal(2)
    files = [*redis.path.parent.glob("appendonlydir/*")]
    kept = {path: path.read_bytes() for path in files}
    nodes[0].say("c", "d")
    turner.until_equal(4)
    redis.kill()
    for path, data in kept.items():
        path.write_bytes(data)
    redis.start()
    turner.until(lambda: all(node.losses for node in nodes), "the nodes to notice")
    turner.until_available()
    nodes[1].say("e")
    turner.until(lambda: "e" in nodes[0].lines, "a line after it")
    assert [node.losses for node in nodes] == [[Loss.REWOUND]] * 2
    turner.until_equal(3)
    assert nodes[0].lines == ["a", "b", "e"]


def test_an_emptied_engine_begins_anew(redis: RedisServer, turner: Turner) -> None:
    nodes = [turner.add(redis.address, name) for name in ("one", "two")]
    turner.until_available()
    nodes[0].say("a", "b")
    turner.until_equal(2)
    redis.call("FLUSHALL")
    nodes[0].say("c")
    turner.until(lambda: all(node.losses for node in nodes), "the nodes to notice")
    turner.until_available()
    nodes[1].say("d")
    turner.until(lambda: all("d" in node.lines for node in nodes), "a line after it")
    assert nodes[0].lines == nodes[1].lines


@on_each_engine
def test_a_node_that_is_frozen_beyond_its_deadline_is_removed_and_comes_back(
    redis: RedisServer, turner: Turner
) -> None:
    times = {"time_to_live_s": 0.2, "renew_s": 0.05}
    frozen = Turner()
    lost = frozen.add(redis.address, "frozen", **times)
    frozen.until_available()
    lost.say("early")
    frozen.until(lambda: lost.lines == ["early"], "its line")
    node = turner.add(redis.address, "one", **times)
    turner.until_available()
    turner.until(lambda: "frozen" not in node.nodes, "the other one's removal")
    assert node.nodes.keys() == {"one"}
    gone = redis.call("HGET", "netd:{room}:meta", "gone:frozen")
    assert isinstance(gone, bytes)
    assert gone.endswith(b" 1"), "the number of its last input"
    lost.say("late")
    turner.others.append(frozen)
    turner.until(lambda: lost.losses == [Loss.FENCED], "the end of its membership")
    turner.until(lambda: "frozen" in node.nodes, "its return")
    turner.until(lambda: "late" in node.lines, "its line, which was not in the log")
    turner.until_equal(2)
    turner.others.remove(frozen)
    frozen.close()


def test_only_so_many_nodes_that_were_removed_are_known(redis: RedisServer, turner: Turner) -> None:
    redis.call("HSET", "netd:{room}:meta", *(str(count) for count in range(2000)))
    times = {"time_to_live_s": 0.4, "renew_s": 0.1}
    frozen = Turner()
    frozen.add(redis.address, "frozen", **times)
    frozen.until_available()
    node = turner.add(redis.address, "one", **times)
    turner.until(lambda: node.nodes.keys() == {"one"}, "the other one's removal")
    assert redis.call("HGET", "netd:{room}:meta", "gone:frozen") is None
    frozen.close()


def test_an_engine_that_was_away_for_longer_than_a_deadline_removes_no_node(
    redis: RedisServer, turner: Turner
) -> None:
    time_to_live_s = 2.0  # longer than a machine stops
    times = {"time_to_live_s": time_to_live_s, "renew_s": 0.05, "timeout_s": 0.5}
    nodes = [turner.add(redis.address, name, **times) for name in ("one", "two")]
    turner.until_available()
    redis.signal(signal.SIGSTOP)
    turner.until(lambda: all(node.failures for node in nodes), "the nodes to notice")
    stopped = time.monotonic()
    turner.until(lambda: time.monotonic() > stopped + 1.1 * time_to_live_s, "the deadline")
    redis.signal(signal.SIGCONT)
    turner.until_available()
    again = time.monotonic()
    turner.until(lambda: time.monotonic() > again + 1.2 * time_to_live_s, "a reaping")
    assert not nodes[0].losses
    assert not nodes[1].losses
    assert nodes[0].nodes.keys() == {"one", "two"}


def test_inputs_that_the_engine_has_lost_do_not_keep_a_node_out(
    redis: RedisServer, turner: Turner
) -> None:
    node = turner.add(redis.address, "one")
    turner.until_available()
    node.say("a", "b")
    turner.until_equal(2)
    known = redis.call("HGET", "netd:{room}:nodes", "one")
    assert isinstance(known, bytes)
    incarnation, _, *others = known.decode().split(" ")
    redis.call("HSET", "netd:{room}:nodes", "one", " ".join((incarnation, "1", *others)))
    node.say("c")
    turner.until(lambda: "c" in node.lines, "a line after those that were lost")
    assert node.losses == [Loss.FENCED]
    assert node.lines == ["a", "b", "c"]


def test_a_node_that_ends_leaves_at_once(redis: RedisServer, turner: Turner) -> None:
    nodes = [turner.add(redis.address, name) for name in ("one", "two")]
    turner.until_available()
    turner.until(lambda: len(nodes[0].nodes) == len(nodes), "both nodes")
    nodes[1].engine.leave()
    turner.until(lambda: nodes[0].nodes.keys() == {"one"}, "its leaving")


@dataclass(frozen=True)
class Frozen:
    """A node whose loop is not turned any more: a and b are applied, and c is not sent."""

    turner: Turner
    node: NodeUnderTest
    saved: dict[str, Any]

    def await_end(self) -> None:
        """Turn the loop until the node knows that another one has taken its place."""
        self.turner.until(lambda: self.node.losses == [Loss.FENCED], "the end")
        self.turner.close()


def freeze(redis: RedisServer, turner: Turner, name: str) -> tuple[Frozen, NodeUnderTest]:
    """A node that freezes, and another one that goes on."""
    frozen = Turner()
    node = frozen.add(redis.address, name)
    watcher = turner.add(redis.address, "two")
    frozen.until_available()
    turner.until_available()
    node.say("a", "b")
    frozen.until_equal(2)
    node.say("c")
    saved = ENGINE.load(json.loads(json.dumps(node.engine.save())))
    return Frozen(frozen, node, saved), watcher


def test_a_node_leaves_an_earlier_room_if_its_engine_can_be_reached(
    redis: RedisServer, turner: Turner, caplog: pytest.LogCaptureFixture
) -> None:
    times = {"time_to_live_s": 600.0, "renew_s": 60.0}
    nodes = [turner.add(redis.address, name, **times) for name in ("one", "two")]
    turner.until_available()
    caplog.set_level("INFO", "netd")
    saved = nodes[1].engine.save()
    place = RoomPlace(("unix:///does/not/exist",), "room")
    leave_room(turner.loop, place, "two", saved)
    turner.until(lambda: "left at the deadline" in caplog.text, "the failure")
    leave_room(turner.loop, replace(place, engine=(str(redis.address),)), "two", saved)
    turner.until(lambda: "the earlier room is left\n" in caplog.text, "its leaving")
    turner.until(lambda: nodes[0].nodes.keys() == {"one"}, "the news of it")
    assert caplog.text.count("left at the deadline") == 1


def test_another_process_continues_a_node(redis: RedisServer, turner: Turner) -> None:
    frozen, watcher = freeze(redis, turner, "one")
    successor = turner.add(redis.address, "one", saved=frozen.saved)
    successor.lines = list(frozen.node.lines)
    successor.say("d")
    turner.until_equal(4)
    assert watcher.lines == ["a", "b", "c", "d"]
    assert sorted(watcher.nodes) == ["one", "two"], "it has left meanwhile"
    frozen.await_end()


def test_a_node_takes_over_one_that_has_ended_with_its_inputs(
    redis: RedisServer, turner: Turner
) -> None:
    frozen, watcher = freeze(redis, turner, "one+2")
    taker = turner.add(redis.address, "one", ended={"one+2": frozen.saved})
    taker.say("d")
    turner.until(lambda: len(watcher.lines) == 4, "all lines")
    assert watcher.lines[:2] == ["a", "b"]
    assert sorted(watcher.lines[2:]) == ["c", "d"]
    assert sorted(watcher.nodes) == ["one", "two"]
    assert not taker.given_up
    frozen.await_end()


def test_the_inputs_of_an_ended_node_that_was_removed_are_given_up(
    redis: RedisServer, turner: Turner
) -> None:
    saved = {"incarnation": "gone", "applied": START, "last": 0, "sent": [b"x"], "unsent": [b"y"]}
    taker = turner.add(redis.address, "one", ended={"one+2": saved})
    turner.until_equal(2)
    assert taker.given_up == ["x", "y"]
