from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from netd.client.core.word_wrap import columns, word_wrap


def test_it_breaks_at_spaces_and_indents() -> None:
    line = "12:30 <al> one two three four five"
    assert word_wrap(line, 20, 6) == ["12:30 <al> one two", "      three four", "      five"]


def test_a_line_that_fits_is_unchanged() -> None:
    assert word_wrap("a  b   c", 20, 6) == ["a  b   c"]
    assert word_wrap("a narrow terminal wraps for itself", 5, 6) == [
        "a narrow terminal wraps for itself"
    ]


def test_a_long_word_is_kept_whole() -> None:
    address = "https://example.net/" + "x" * 40
    assert word_wrap(f"12:30 <al> see {address} now", 30, 6) == [
        "12:30 <al> see",
        f"      {address}",
        "      now",
    ]


def test_colours_take_no_columns_and_wide_characters_two() -> None:
    assert columns("\x1b[1mbold\x1b[0m") == 4
    assert columns("你好") == 4
    assert columns("e\u0301") == 1


@given(st.text(alphabet="ab 你\u0301"), st.integers(20, 40))
def test_no_text_is_lost_and_no_piece_is_too_wide(text: str, width: int) -> None:
    pieces = word_wrap(text, width, 0)
    assert " ".join(pieces) == text
    assert all(columns(piece) <= width or " " not in piece.strip() for piece in pieces)
