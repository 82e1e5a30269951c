"""All scenes of the room, played by clients on two hosts: they see what they would see on one."""

from __future__ import annotations

import re

import pytest

from tests.cluster.replicated_room import ReplicatedRoomUnderTest, may_be_on_both
from tests.listeners.chat.room.scene import Scene, play, scenes

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
