"""Hosts of different versions: the room's level rises when all of them can apply it."""

from __future__ import annotations

import contextlib

from netd.listeners.chat.cluster.engine_state import ENGINE
from netd.listeners.chat.cluster.log_entry import EntryKind, LogEntry
from netd.listeners.chat.cluster.log_position import Position
from netd.listeners.chat.cluster.shared_state import save_shared
from netd.listeners.chat.room.level import FIRST_LEVEL, LEVEL
from netd.listeners.chat.room.room import Room
from netd.listeners.chat.room.saved_room import load_room, save_room
from netd.listeners.chat.room.settings import RoomSettings
from tests.cluster.engine_node import NodeUnderTest, Turner
from tests.cluster.redis_server import RedisServer
from tests.cluster.replicated_room import ReplicatedRoomUnderTest
from tests.listeners.chat.room.room_under_test import NOON

_LATER = {"level": 2, "version": "9.8.7", "renew_s": 0.05}
_EARLIER = {"level": 1, "version": "0.1.2", "renew_s": 0.05}
_REFUSAL = (
    "the chat has level 2, as all its hosts had netd 9.8.7 or another version that can apply it; "
    "netd 0.1.2 of this host can apply level 1, and must be upgraded"
)


def _has_refused(node: NodeUnderTest) -> bool:
    return any(failure.endswith(_REFUSAL) for failure in node.failures)


def test_the_level_rises_when_the_last_node_can_apply_it(
    redis: RedisServer, turner: Turner
) -> None:
    before = Turner()
    two = before.add(redis.address, "two", **_EARLIER)
    before.until_available()
    one = turner.add(redis.address, "one", **_LATER)
    turner.until_available()
    joined = redis.call("HGET", "netd:{room}:nodes", "one")
    turner.until(lambda: redis.call("HGET", "netd:{room}:nodes", "one") != joined, "a renewal")
    assert not one.levels, "one node cannot apply it"
    upgraded = turner.add(redis.address, "two", saved=ENGINE.load(two.engine.save()), **_LATER)
    turner.until(lambda: one.levels and upgraded.levels, "the higher level")
    assert (one.levels, upgraded.levels) == ([2], [2])
    before.close()


def test_a_node_of_an_earlier_version_does_not_join_a_room_of_a_higher_level(
    redis: RedisServer, turner: Turner
) -> None:
    one = turner.add(redis.address, "one", **_LATER)
    turner.until(lambda: one.levels, "the higher level")
    two = turner.add(redis.address, "two", **_EARLIER)
    two.say("an input that waits")
    turner.until(lambda: _has_refused(two), "the refusal")
    assert not two.engine.is_available
    assert two.engine.waiting == 1
    assert "two" not in one.nodes


def test_a_node_that_was_cut_off_does_not_apply_a_higher_level(
    redis: RedisServer, turner: Turner
) -> None:
    times = {"time_to_live_s": 0.2}
    cut_off = turner.add(redis.address, "two", **{**_EARLIER, "renew_s": 60.0}, **times)
    turner.until_available()
    later = turner.add(redis.address, "one", **_LATER, **times)
    turner.until(lambda: later.levels, "the higher level, without the second node")
    later.say("after")
    turner.until(lambda: "after" in later.lines and _has_refused(cut_off), "the refusal")
    assert not cut_off.lines
    assert not cut_off.levels


def test_a_room_has_the_level_of_its_log() -> None:
    room = ReplicatedRoomUnderTest(on_both=True)
    one, two = room.hosts.rooms.values()
    assert one.state.level == FIRST_LEVEL
    entry = LogEntry(Position(1, 2), EntryKind.LEVEL, "one", "9.8.7", int(NOON * 1000), 7)
    for host in (one, two):
        for _ in host.apply(entry):
            pass
    room.check_equal()
    assert one.state.level == 7
    with contextlib.suppress(StopIteration):
        loading = two.begin(save_shared(one.state), NOON)
        two.state.level = FIRST_LEVEL
        while True:
            next(loading)
    assert two.state.level == 7


def test_a_room_on_one_host_has_the_highest_level() -> None:
    settings = RoomSettings("irc.test")
    room = Room(settings, NOON, "id")
    saved = save_room(room.state)
    saved["level"] = 0
    room.replace(load_room(saved, settings, NOON).state)
    assert room.state.level == LEVEL
    del saved["level"]
    assert load_room(saved, settings, NOON).state.level == FIRST_LEVEL
