from __future__ import annotations

import pytest

from tests.listeners.chat.room.scene import Scene, play, scenes


@pytest.mark.parametrize("scene", list(scenes()), ids=lambda scene: scene.title)
def test_the_scene_plays_as_written(scene: Scene) -> None:
    assert play(scene) == list(scene.lines)
