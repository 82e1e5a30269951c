from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from netd.protocols.lines import Line, LineFramer, Overlong


def frame(pieces: list[bytes], max_line_bytes: int = 10) -> list[Line]:
    framer = LineFramer(max_line_bytes)
    lines = [line for piece in pieces for line in framer.receive(piece)]
    return [*lines, *framer.end()]


def test_both_endings_end_a_line() -> None:
    assert frame([b"one\r\ntwo\n\nthree\r\n"]) == [b"one", b"two", b"", b"three"]


def test_end_of_file_ends_the_last_line() -> None:
    assert frame([b"one\ntw", b"o"]) == [b"one", b"two"]
    assert frame([b"one\n"]) == [b"one"]


def test_a_line_of_the_maximum_length_is_accepted_and_one_byte_more_is_not() -> None:
    assert frame([b"0123456789\r\n"]) == [b"0123456789"]
    assert frame([b"01234567890\r\n"]) == [Overlong(b"0123456789")]
    assert frame([b"0123456789", b"0\n", b"next\n"]) == [Overlong(b"0123456789"), b"next"]


def test_an_endless_line_is_not_buffered_beyond_the_limit() -> None:
    framer = LineFramer(10)
    for _ in range(1000):
        assert framer.receive(b"x" * 1000) == ()
    assert framer.held_bytes <= 11
    assert framer.receive(b"\nok\n") == [Overlong(b"x" * 10), b"ok"]


@given(st.lists(st.sampled_from([b"a", b"b" * 7, b"\r", b"\n", b"\r\n", b"c" * 12]), max_size=30))
def test_lines_are_the_same_for_any_pieces(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    assert frame(pieces) == frame([whole])
    assert frame([bytes([byte]) for byte in whole]) == frame([whole])


@given(st.lists(st.sampled_from([b"a", b"b" * 7, b"\n", b"\r\n\n\n", b"c" * 12]), max_size=30))
def test_lines_are_the_same_if_some_are_returned_at_once(pieces: list[bytes]) -> None:
    framer = LineFramer(10)
    parts: list[Sequence[Line]] = [framer.receive(piece, 2) for piece in pieces]
    parts.append(framer.end())
    while framer.unsplit_bytes:
        parts.append(framer.more(2))
    assert [line for part in parts for line in part] == frame(pieces)
    assert all(len(part) <= 2 for part in parts)
    assert framer.more(2) == ()
