from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netd.client.core import scrollback as module
from netd.client.core.scrollback import Line, Scrollback
from netd.client.core.styled_text import Style, plain_text
from netd.client.core.word_wrap import columns

NOON = dt.datetime(2030, 1, 2, 12, 0, tzinfo=dt.UTC)


def line(text: str, minutes: int = 0) -> Line:
    return Line([(Style.PLAIN, text)], NOON + dt.timedelta(minutes=minutes))


def filled(count: int) -> Scrollback:
    lines = Scrollback(columns)
    for number in range(count):
        lines.append(line(f"line {number}", number))
    return lines


def seen(lines: Scrollback, width: int = 40, height: int = 4) -> list[str]:
    return [plain_text(row).strip("- ") for row in lines.visible(width, height)]


def texts(lines: Scrollback) -> list[str]:
    return [plain_text(one.spans) for one in lines.lines]


def test_the_newest_lines_are_visible() -> None:
    assert seen(filled(10)) == ["line 6", "line 7", "line 8", "line 9"]
    assert seen(filled(2)) == ["Wednesday, 2 January 2030", "line 0", "line 1"]
    assert seen(Scrollback(columns)) == []


def test_reactions_are_bounded() -> None:
    shown = line("hi")
    for number in range(3000):
        shown.react(f"n{number}", "+1", withdrawn=False)
        shown.react("n", f"r{number}", withdrawn=False)
    assert len(shown.reactions) == module._MAX_REACTIONS
    assert len(shown.reactions["+1"]) == module._MAX_REACTING


def test_new_lines_do_not_move_a_window_that_is_scrolled() -> None:
    lines = filled(10)
    seen(lines)
    lines.scroll(3)
    before = seen(lines)
    assert before == ["line 3", "line 4", "line 5", "line 6"]
    lines.append(line("new", 20))
    assert seen(lines) == before
    assert lines.lines_below == 4
    lines.to_end()
    assert seen(lines)[-1] == "new"


def test_pages_overlap_and_end_at_the_first_line() -> None:
    lines = filled(10)
    seen(lines)
    lines.scroll_page(1)
    assert seen(lines) == ["line 4", "line 5", "line 6", "line 7"]
    lines.scroll_page(1)
    lines.scroll_page(1)
    lines.scroll_page(1)
    lines.scroll_page(1)
    assert seen(lines) == ["Wednesday, 2 January 2030", "line 0", "line 1", "line 2"]
    assert lines.is_at_start()
    lines.scroll_page(-1)
    assert not lines.is_at_start()
    for _ in range(9):
        lines.scroll_page(-1)
    assert not lines.is_scrolled


def test_the_ends_are_reached_at_once() -> None:
    lines = filled(50)
    seen(lines)
    lines.to_start()
    assert seen(lines)[1:] == ["line 0", "line 1", "line 2"]
    lines.to_end()
    assert seen(lines)[-1] == "line 49"


def test_a_long_line_is_scrolled_row_by_row() -> None:
    lines = Scrollback(columns)
    lines.append(line(" ".join(str(n) * 9 for n in range(10))))
    assert [row.strip()[:4] for row in seen(lines, 40, 2)] == ["4444", "7777"]
    lines.scroll(1)
    assert [row.strip()[:4] for row in seen(lines, 40, 2)] == ["0000", "4444"]


def test_the_unread_line_stands_before_the_first_unread_message() -> None:
    lines = filled(2)
    lines.append(line("new", 5), is_unread=True)
    lines.append(line("newer", 6), is_unread=True)
    assert seen(lines) == ["line 1", "unread", "new", "newer"]
    for number in range(10):
        lines.append(line(f"more {number}", 7))
    lines.to_unread()
    assert seen(lines) == ["unread", "new", "newer", "more 0"]


def test_a_day_begins_with_its_name() -> None:
    lines = filled(1)
    lines.append(line("tomorrow", 24 * 60))
    assert seen(lines, 60)[-2:] == ["Thursday, 3 January 2030", "tomorrow"]


def test_earlier_lines_are_put_in_their_place() -> None:
    lines = filled(3)
    lines.append(line("unread", 9), is_unread=True)
    lines.insert(line("before all", -5), 0)
    lines.insert(line("in between", 1), 3)
    assert texts(lines) == ["before all", "line 0", "line 1", "in between", "line 2", "unread"]
    assert lines.unread == 1


def test_the_unread_line_moves_to_what_was_missed_before() -> None:
    lines = filled(2)
    lines.append(line("said since", 9), is_unread=True)
    lines.insert(line("missed", 3), 2, is_unread=True)
    lines.insert(line("missed too", 4), 3, is_unread=True)
    assert seen(lines) == ["unread", "missed", "missed too", "said since"]


def test_earlier_lines_do_not_move_a_window_that_is_scrolled() -> None:
    lines = filled(10)
    seen(lines)
    lines.scroll(3)
    before = seen(lines)
    lines.insert(line("just below it", 6), 7)
    lines.insert(line("above it", 1), 1)
    assert seen(lines) == before
    assert lines.lines_below == 4


def test_what_was_missed_replaces_the_oldest_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LINES", 1000)
    lines = filled(1000)
    lines.insert(line("missed", 998), 999)
    lines.insert(line("too old", 1), 1)
    assert texts(lines)[-3:] == ["line 998", "missed", "line 999"]
    assert len(lines.lines) == 502


def test_old_lines_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LINES", 1000)
    lines = filled(1000)
    seen(lines)
    lines.to_start()
    lines.append(line("one more", 2000), is_unread=True)
    assert len(lines.lines) == 501
    assert seen(lines)[0] != ""


def test_reactions_and_other_texts_change_a_line() -> None:
    lines = filled(1)
    seen(lines)
    lines.lines[0].react("al", "+1", withdrawn=False)
    lines.lines[0].react("bo", "+1", withdrawn=False)
    assert seen(lines)[-1] == "line 0  [+1 2]"
    lines.lines[0].react("bo", "+1", withdrawn=True)
    lines.lines[0].replace([(Style.PLAIN, "gone")])
    assert seen(lines)[-1] == "gone  [+1 1]"


def test_only_visible_lines_are_measured() -> None:
    measured: list[str] = []

    def counting(text: str) -> int:
        measured.append(text)
        return columns(text)

    lines = Scrollback(counting)
    for number in range(9000):
        lines.append(line(f"line {number}", number))
    seen(lines, 40, 20)
    lines.scroll_page(1)
    seen(lines, 40, 20)
    lines.append(line("new", 9001))
    seen(lines, 40, 20)
    assert len(measured) < 100


@given(
    st.lists(st.integers(0, 90), max_size=12),
    st.lists(st.integers(-20, 20), max_size=8),
    st.integers(1, 30),
    st.integers(1, 9),
)
def test_a_window_is_never_emptier_than_it_must_be(
    lengths: list[int], moves: list[int], width: int, height: int
) -> None:
    lines = Scrollback(columns)
    for number, length in enumerate(lengths):
        lines.append(line("x" * length, number))
    total = len(lines.visible(width, 10_000))
    for rows in moves:
        lines.visible(width, height)
        lines.scroll(rows)
        assert len(lines.visible(width, height)) == min(total, height)
