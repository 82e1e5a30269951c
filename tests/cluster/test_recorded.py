"""Logs that were recorded at each level still come to the rooms to which they came then."""

from __future__ import annotations

from pathlib import Path

import pytest

from netd.listeners.chat.cluster.digest import FORM
from netd.listeners.chat.room.level import LEVEL
from tests.cluster.recording import CASES, load, load_vocabulary, vocabulary

_RULE = (
    "hosts of an earlier version come to another room by this log: let the change depend on "
    "`RoomState.level`, raise LEVEL in netd/listeners/chat/room/level.py, and run "
    "`python -m tests.cluster.recording`"
)


@pytest.mark.parametrize("path", sorted(CASES.glob("*.jsonl")), ids=lambda path: path.stem)
def test_a_recorded_log_comes_to_the_same_room(path: Path) -> None:
    for recording in load(path):
        assert recording.digest.startswith(f"{FORM}:"), (
            "the form of digests has changed: run `python -m tests.cluster.recording --digests` "
            "on the commit before the change of anything else"
        )
        assert recording.replay() == recording.digest, f"{recording.title}: {_RULE}"


def test_new_commands_and_inputs_have_a_new_level() -> None:
    path = CASES / f"level_{LEVEL}.jsonl"
    assert all(recording.settings["level"] == LEVEL for recording in load(path))
    assert load_vocabulary(path) == vocabulary(), (
        "hosts of an earlier version do not know the new words of the log: use them in a room of "
        "a new level only, raise LEVEL, and run `python -m tests.cluster.recording`"
    )
