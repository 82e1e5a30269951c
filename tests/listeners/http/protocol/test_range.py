from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netd.listeners.http.protocol.range import UnsatisfiableError, parse_range

SIZE = 100


@pytest.mark.parametrize(
    ("value", "ranges"),
    [
        (b"bytes=0-0", [(0, 1)]),
        (b"Bytes = 0-9", [(0, 10)]),
        (b"bytes=90-", [(90, 10)]),
        (b"bytes=90-1000", [(90, 10)]),
        (b"bytes=-10", [(90, 10)]),
        (b"bytes=-1000", [(0, 100)]),
        (b"bytes=0-9, ,20-29", [(0, 10), (20, 10)]),
        (b"bytes=0-9,200-", [(0, 10)]),
        (b"bytes=0-,0-", []),
        (b"bytes=9-0", []),
        (b"bytes=-", []),
        (b"bytes=", []),
        (b"bytes=a-b", []),
        (b"bytes=0-9,x", []),
        (b"lines=0-9", []),
        (b"bytes 0-9", []),
        (b"bytes=1-" + b"9" * 19, []),
        (b"bytes=" + b"0-0," * 16 + b"0-0", []),
    ],
)
def test_ranges(value: bytes, ranges: list[tuple[int, int]]) -> None:
    assert list(parse_range(value, SIZE)) == ranges


@pytest.mark.parametrize("value", [b"bytes=100-", b"bytes=-0", b"bytes=100-200,-0"])
def test_ranges_outside_the_content_are_unsatisfiable(value: bytes) -> None:
    with pytest.raises(UnsatisfiableError):
        parse_range(value, SIZE)


def test_an_empty_file_is_sent_whole() -> None:
    assert parse_range(b"bytes=0-", 0) == parse_range(b"bytes=-1", 0) == ()


@given(st.binary(max_size=40), st.integers(0, 1000))
def test_a_range_lies_within_the_content(value: bytes, size: int) -> None:
    try:
        found = parse_range(b"bytes=" + value, size)
    except UnsatisfiableError:
        return
    assert all(offset >= 0 and count > 0 and offset + count <= size for offset, count in found)
    assert sum(count for _, count in found) <= size
