from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from netd.client.core.styled_text import Style, plain_text
from netd.client.core.word_wrap import columns, word_wrap


def wrapped(line: str, width: int, indent: int, *, breaks_words: bool = False) -> list[str]:
    rows = word_wrap([(Style.PLAIN, line)], width, indent, breaks_words=breaks_words)
    return [plain_text(row) for row in rows]


def test_it_breaks_at_spaces_and_indents() -> None:
    line = "12:30 <al> one two three four five"
    assert wrapped(line, 20, 6) == ["12:30 <al> one two", "      three four", "      five"]


def test_a_line_that_fits_is_unchanged() -> None:
    assert wrapped("a  b   c", 20, 6) == ["a  b   c"]
    assert wrapped("a narrow terminal wraps for itself", 5, 6) == [
        "a narrow terminal wraps for itself"
    ]


def test_a_long_word_is_kept_whole() -> None:
    address = "https://example.net/" + "x" * 40
    assert wrapped(f"12:30 <al> see {address} now", 30, 6) == [
        "12:30 <al> see",
        f"      {address}",
        "      now",
    ]


def test_a_long_word_is_broken_on_a_full_screen() -> None:
    assert wrapped("12:30 <al> " + "x" * 30, 25, 6, breaks_words=True) == [
        "12:30 <al> " + "x" * 14,
        "      " + "x" * 16,
    ]


def test_a_url_that_is_broken_begins_a_row_and_is_not_indented() -> None:
    url = "https://example.net/" + "x" * 20
    assert wrapped(f"12:30 <al> see {url} now", 25, 6, breaks_words=True) == [
        "12:30 <al> see",
        url[:25],
        f"{url[25:]} now",
    ]


def test_spans_keep_their_styles_when_they_are_broken() -> None:
    spans = [(Style.DIM, "12:30 "), (Style.BOLD, "one two three four five")]
    assert word_wrap(spans, 20, 6, breaks_words=True) == [
        [(Style.DIM, "12:30 "), (Style.BOLD, "one two three")],
        [(Style.PLAIN, "      "), (Style.BOLD, "four five")],
    ]


def test_line_ends_begin_rows() -> None:
    assert wrapped("12:30 <al> a\nb\n\nc", 20, 6) == [
        "12:30 <al> a",
        "      b",
        "      ",
        "      c",
    ]


def test_combining_characters_take_no_columns_and_wide_ones_two() -> None:
    assert columns("你好") == 4
    assert columns("e\u0301") == 1


@given(st.text(alphabet="ab 你\u0301"), st.integers(20, 40))
def test_no_text_is_lost_and_no_piece_is_too_wide(text: str, width: int) -> None:
    pieces = wrapped(text, width, 0)
    assert " ".join(pieces) == text
    assert all(columns(piece) <= width or " " not in piece.strip() for piece in pieces)


@given(st.text(alphabet="ab/: 你\u0301\n"), st.integers(2, 40), st.integers(0, 6))
def test_rows_of_a_full_screen_hold_all_characters_and_fit(
    text: str, width: int, indent: int
) -> None:
    rows = word_wrap([(Style.PLAIN, text)], width, indent, breaks_words=True)
    assert all(columns(plain_text(row)) <= width for row in rows)
    kept = "".join(plain_text(row) for row in rows)
    assert kept.replace(" ", "") == text.replace(" ", "").replace("\n", "")
