"""All scenes of the room, played by clients on two hosts: they see what they would see on one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cluster.replicated_room import ReplicatedRoomUnderTest, may_be_on_both
from tests.listeners.chat.room.scene import Scene, play, scenes
from tests.listeners.chat.room.test_any_line import SAID

_BATCH = re.compile(r"((BATCH [+-]|batch=)[a-z0-9]+)")
_UNREGISTERED = re.compile(r"( 253 \S+) \d+")  # the client that reads it is counted or not


def _comparable(line: str) -> str:
    return _UNREGISTERED.sub(r"\1", _BATCH.sub(r"\2", line))


@pytest.mark.parametrize("scene", [*scenes()], ids=lambda scene: scene.title)
def test_the_scene_plays_on_two_hosts_as_on_one(scene: Scene) -> None:
    rooms = []

    def make(**settings: object) -> ReplicatedRoomUnderTest:
        on_both = may_be_on_both(scene)
        rooms.append(ReplicatedRoomUnderTest(on_both=on_both, **settings))
        return rooms[0]

    played, expected = play(scene, make), scene.lines
    assert [*map(_comparable, played)] == [*map(_comparable, expected)]
    rooms[0].check_equal()


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 3), SAID), max_size=30))
def test_any_commands_leave_the_rooms_of_both_hosts_equal(lines: list[tuple[int, str]]) -> None:
    room = ReplicatedRoomUnderTest(on_both=True, opers={"a": "b"})
    clients = [room.join(nick, "labeled-response", "message-tags") for nick in ("a", "b", "c", "d")]
    clients[0].send("OPER a b")
    for number, line in lines:
        clients[number].send(line)
    room.check_equal()
