"""Entries and positions, as the engine returns them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netd.listeners.chat.cluster.log_entry import EntryKind, LogEntry, parse_entry
from netd.listeners.chat.cluster.log_position import Position, Step, is_rewound, step_to

FIELDS = [b"t", b"1700000000000", b"k", b"i", b"n", b"one", b"i", b"ab", b"s", b"7"]


def test_an_entry_has_all_inputs_in_order() -> None:
    entry = parse_entry([b"5-9", [*FIELDS, b"p", b"first", b"p", b"second"]])
    inputs = (b"first", b"second")
    expected = LogEntry(Position(5, 9), EntryKind.INPUTS, "one", "ab", 1700000000000, 7, inputs)
    assert entry == expected


@pytest.mark.parametrize("reply", [None, [], [b"5", FIELDS], [b"x-1", FIELDS], [b"5-9", 7]])
def test_what_is_no_entry_is_refused(reply: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_entry(reply)


@pytest.mark.parametrize(
    "fields",
    [
        FIELDS[:-1],
        [*FIELDS, b"p", 7],
        FIELDS[2:],
        [b"t", b"-1", *FIELDS[2:]],
        [b"t", b"9" * 30, *FIELDS[2:]],
        [*FIELDS[:2], b"k", b"?", *FIELDS[4:]],
        [*FIELDS[:4], b"n", b"\xff", *FIELDS[6:]],
    ],
)
def test_a_damaged_entry_is_known_by_its_position(fields: list[object]) -> None:
    assert parse_entry([b"5-9", fields]) == LogEntry(Position(5, 9), EntryKind.UNKNOWN, "", "", 0)


_replies = st.recursive(
    st.none() | st.integers() | st.binary(max_size=8) | st.sampled_from(FIELDS),
    lambda inner: st.lists(inner, max_size=12),
)


@given(_replies)
def test_any_reply_is_an_entry_or_a_value_error(reply: object) -> None:
    try:
        parse_entry(reply)
    except ValueError:
        return


@pytest.mark.parametrize(
    ("entry", "step"),
    [
        (Position(5, 10), Step.NEXT),
        (Position(6, 10), Step.NEXT),
        (Position(5, 9), Step.KNOWN),
        (Position(5, 11), Step.GAP),
        (Position(6, 12), Step.GAP),
        (Position(6, 9), Step.GAP),
    ],
)
def test_the_step_to_an_entry(entry: Position, step: Step) -> None:
    assert step_to(Position(5, 9), entry) is step


@pytest.mark.parametrize(
    ("epoch", "base", "expected"), [(5, 4, False), (6, 9, False), (6, 12, False), (6, 8, True)]
)
def test_a_rewound_engine(epoch: int, base: int, *, expected: bool) -> None:
    assert is_rewound(Position(5, 9), epoch, base) is expected
