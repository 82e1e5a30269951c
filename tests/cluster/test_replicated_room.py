"""All scenes of the room, played by clients on two hosts: they see what they would see on one."""

from __future__ import annotations

import re

import pytest

from tests.cluster.replicated_room import ReplicatedRoomUnderTest
from tests.listeners.chat.room.scene import Scene, play, scenes

_BATCH = re.compile(r"((BATCH [+-]|batch=)[a-z0-9]+)")


def _without_batch(line: str) -> str:
    return _BATCH.sub(r"\2", line)


_SCENES = [
    scene
    for scene in scenes()
    # On several hosts, each client has a member of its own.
    if not scene.title.startswith(("clients:", "always_on:"))
    and "= registration=on" not in scene.lines  # which a chat on several hosts does not have
]


@pytest.mark.parametrize("scene", _SCENES, ids=lambda scene: scene.title)
def test_the_scene_plays_on_two_hosts_as_on_one(scene: Scene) -> None:
    rooms = []

    def make(**settings: object) -> ReplicatedRoomUnderTest:
        on_both = not scene.title.startswith("ghost:")  # a lost client returns to its host
        rooms.append(ReplicatedRoomUnderTest(on_both=on_both, **settings))
        return rooms[0]

    played, expected = play(scene, make), scene.lines
    assert [*map(_without_batch, played)] == [*map(_without_batch, expected)]
    rooms[0].check_equal()
