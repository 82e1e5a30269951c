"""MODE."""

from __future__ import annotations

from tests.listeners.chat.room.room_under_test import (
    RoomUnderTest,
)


def test_long_mode_changes_are_split_among_lines() -> None:
    ann = RoomUnderTest().join("ann", host="a.host." * 9)
    masks = [letter * 150 + "!*@*" for letter in "xyz"]
    lines = ann.send(f"MODE #room +bbb {' '.join(masks)}")
    assert [line.split(" MODE #room ")[1] for line in lines] == [
        f"+bb {masks[0]} {masks[1]}",
        f"+b {masks[2]}",
    ]
    assert ann.codes(f"MODE #room +b {'w' * 200}") == ["696"]
    assert ann.codes("MODE #room +b :two words") == ["696"]
