from __future__ import annotations

import pytest

from netd.listeners.http.protocol.condition import Outcome, Validators, evaluate, range_applies
from netd.listeners.http.protocol.date import format_date

NOON = 1_700_049_600
HAS = Validators(b'"now"', NOON)
UNDATED = Validators(b'"now"', None)
AT, BEFORE, AFTER = (format_date(NOON + offset).encode() for offset in (0, -1, 1))
SEND, UNCHANGED, FAILED = Outcome.SEND, Outcome.UNCHANGED, Outcome.FAILED


@pytest.mark.parametrize(
    ("fields", "reading", "writing"),
    [
        ({}, SEND, SEND),
        ({b"if-match": b"*"}, SEND, SEND),
        ({b"if-match": b'"other", "now"'}, SEND, SEND),
        ({b"if-match": b'W/"now"'}, FAILED, FAILED),
        ({b"if-match": b'"other"'}, FAILED, FAILED),
        ({b"if-match": b"now"}, FAILED, FAILED),
        ({b"if-unmodified-since": AT}, SEND, SEND),
        ({b"if-unmodified-since": BEFORE}, FAILED, FAILED),
        ({b"if-unmodified-since": b"never"}, SEND, SEND),
        ({b"if-match": b"*", b"if-unmodified-since": BEFORE}, SEND, SEND),
        ({b"if-none-match": b'"now"'}, UNCHANGED, FAILED),
        ({b"if-none-match": b', W/"now" ,'}, UNCHANGED, FAILED),
        ({b"if-none-match": b"*"}, UNCHANGED, FAILED),
        ({b"if-none-match": b'"other"'}, SEND, SEND),
        ({b"if-none-match": b'"now" "other"'}, SEND, SEND),
        ({b"if-modified-since": AT}, UNCHANGED, SEND),
        ({b"if-modified-since": AFTER}, UNCHANGED, SEND),
        ({b"if-modified-since": BEFORE}, SEND, SEND),
        ({b"if-modified-since": b"2023-11-15"}, SEND, SEND),
        ({b"if-none-match": b'"other"', b"if-modified-since": AT}, SEND, SEND),
        ({b"if-match": b'"other"', b"if-none-match": b'"now"'}, FAILED, FAILED),
    ],
)
def test_conditions_in_their_order(
    fields: dict[bytes, bytes], reading: Outcome, writing: Outcome
) -> None:
    assert evaluate(fields, HAS, is_read=True) is reading
    assert evaluate(fields, HAS, is_read=False) is writing


@pytest.mark.parametrize(
    ("name", "outcome"), [(b"if-unmodified-since", FAILED), (b"if-modified-since", SEND)]
)
def test_without_a_date_no_condition_on_dates_matches(name: bytes, outcome: Outcome) -> None:
    assert evaluate({name: AFTER}, UNDATED, is_read=True) is outcome


@pytest.mark.parametrize(
    ("value", "applies"),
    [
        (None, True),
        (b'"now"', True),
        (b'W/"now"', False),
        (b'"other"', False),
        (AT, True),
        (BEFORE, False),
        (AFTER, False),
        (b"nonsense", False),
    ],
)
def test_if_range_needs_a_strong_match(value: bytes | None, applies: bool) -> None:  # noqa: FBT001 (a case's field)
    fields = {} if value is None else {b"if-range": value}
    assert range_applies(fields, HAS) is applies
