"""HELP."""

from __future__ import annotations

import pytest

from tests.listeners.chat.room.room_under_test import (
    RoomUnderTest,
)


@pytest.mark.parametrize(
    ("said", "code"), [("HELP COMMANDS", "705"), ("HELP JOIN", "705"), ("HELP nothing", "524")]
)
def test_help(said: str, code: str) -> None:
    assert code in {*RoomUnderTest().join("ann").codes(said), "704"}
