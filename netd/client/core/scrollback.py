"""The lines of one conversation, and the part of them that is visible.

Positions count from the end, in lines, so that they stay valid while old lines are forgotten.
Only the lines that are visible are broken into rows.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from netd.client.core.crowds import Crowd
from netd.client.core.styled_text import Spans, Style, plain_text
from netd.client.core.word_wrap import word_wrap

MAX_LINES: Final = 10_000
_TRIM: Final = 500  # so many are forgotten at once
_MAX_REACTIONS: Final = 20  # different ones, to one message
_MAX_REACTING: Final = 1000  # users with the same one
_INDENT: Final = len("12:30 ")

Columns = Callable[[str], int]


@dataclass(slots=True, eq=False)
class Line:
    """One line as it is shown; `time` is local."""

    spans: Spans
    time: dt.datetime
    id: str = ""
    sender: str = ""
    crowd: Crowd | None = None
    is_own_note: bool = False  # of the program itself, such as what a search has found
    is_retry: bool = False  # that the connection was lost, or is tried again
    reactions: dict[str, set[str]] = field(default_factory=dict)
    _width: int = 0
    _rows: list[Spans] = field(default_factory=list)

    def rows(self, width: int, columns: Columns) -> list[Spans]:
        """Return the rows of the line in a window of this width."""
        if self._width != width:
            spans = [*self.spans, *self._reaction_spans()]
            self._rows = word_wrap(spans, width, _INDENT, columns=columns, breaks_words=True)
            self._width = width
        return self._rows

    def replace(self, spans: Spans) -> None:
        """Show another text."""
        self.spans, self._width = spans, 0

    def react(self, nick: str, reaction: str, *, withdrawn: bool) -> None:
        """Add or remove the reaction of a user, within bounds."""
        if reaction not in self.reactions and len(self.reactions) >= _MAX_REACTIONS:
            return
        nicks = self.reactions.setdefault(reaction, set())
        if withdrawn:
            nicks.discard(nick)
        elif len(nicks) < _MAX_REACTING:
            nicks.add(nick)
        self._width = 0

    def _reaction_spans(self) -> Spans:
        shown = [f"{emoji} {len(nicks)}" for emoji, nicks in self.reactions.items() if nicks]
        return [(Style.DIM, f"  [{', '.join(shown)}]")] if shown else []


class Scrollback:
    """The lines of a conversation, at most MAX_LINES."""

    def __init__(self, columns: Columns) -> None:
        self.lines: list[Line] = []
        self.unread: int | None = None
        """How many lines are after the unread line; None if there is no such line."""
        self._columns = columns
        self._below = 0  # lines after the last visible one
        self._hidden_rows = 0  # rows of the last visible line that are below the window
        self._size = (80, 24)

    @property
    def is_scrolled(self) -> bool:
        """Whether the newest line is not visible."""
        return bool(self._below or self._hidden_rows)

    @property
    def lines_below(self) -> int:
        """The number of lines below the window."""
        return self._below

    def append(self, line: Line, *, is_unread: bool = False) -> None:
        """Add a line at the end; the unread line stands before the first unread one."""
        if self.lines:
            self.lines[-1].crowd = None  # only the last line can grow
        if self.is_scrolled:
            self._below += 1
        if self.unread is not None:
            self.unread += 1
        elif is_unread:
            self.unread = 1
        self.lines.append(line)
        if len(self.lines) > MAX_LINES:
            self.forget(_TRIM)

    def insert(self, line: Line, place: int, *, is_unread: bool = False) -> None:
        """Add an earlier line at an index; if there are too many, the oldest are forgotten."""
        after = len(self.lines) - place
        if not after:
            self.append(line, is_unread=is_unread)
            return
        if len(self.lines) >= MAX_LINES:
            if place <= _TRIM:
                return  # it would be one of them
            self.forget(_TRIM)
        if after <= self._below:
            self._below += 1
        unread = self.unread or 0
        if after < unread:
            self.unread = unread + 1
        elif is_unread:
            self.unread = after + 1
        self.lines.insert(len(self.lines) - after, line)

    def forget(self, count: int) -> None:
        """Forget the oldest lines."""
        del self.lines[:count]
        self._below = min(self._below, max(0, len(self.lines) - 1))
        if self.unread is not None:
            self.unread = min(self.unread, len(self.lines))

    def clear(self) -> None:
        """Forget all lines."""
        self.lines.clear()
        self.unread = None
        self._below = self._hidden_rows = 0

    def find(self, text: str) -> list[Line]:
        """Return the lines that contain a text, in any case."""
        wanted = text.casefold()
        said = (line for line in self.lines if not line.is_own_note)
        return [line for line in said if wanted in plain_text(line.spans).casefold()]

    def with_id(self, message_id: str) -> Line | None:
        """Return the line of a message."""
        if not message_id:
            return None
        return next((line for line in reversed(self.lines) if line.id == message_id), None)

    def visible(self, width: int, height: int) -> list[Spans]:
        """Return the rows of a window, from the top; fewer than `height` if there are no more."""
        self._size = (width, height)
        rows: list[Spans] = []
        skip = self._hidden_rows
        for index in range(len(self.lines) - 1 - self._below, -1, -1):
            of_line = self._rows_at(index)
            rows += reversed(of_line[: len(of_line) - skip] if skip else of_line)
            skip = 0
            if len(rows) >= height:
                break
        return rows[height - 1 :: -1] if len(rows) > height else rows[::-1]

    def scroll(self, rows: int) -> None:
        """Move the window up by so many rows, or down if negative; it stays within the lines."""
        (self._up if rows > 0 else self._down)(abs(rows))

    def scroll_page(self, direction: int) -> None:
        """Move the window by its height; two rows stay visible."""
        self.scroll(direction * max(1, self._size[1] - 2))

    def to_end(self) -> None:
        """Show the newest lines."""
        self._below = self._hidden_rows = 0

    def to_start(self) -> None:
        """Show the oldest lines."""
        self._below, self._hidden_rows = max(0, len(self.lines) - 1), 0
        self._down(self._size[1] - (len(self._rows_at(0)) if self.lines else 0))

    def to_unread(self) -> None:
        """Show the unread line at the top, if there is one."""
        if self.unread:
            self._below, self._hidden_rows = min(self.unread - 1, len(self.lines) - 1), 0
            self._down(self._size[1] - len(self._rows_at(len(self.lines) - 1 - self._below)))

    def is_at_start(self) -> bool:
        """Whether the oldest line is visible."""
        width, height = self._size
        return len(self.visible(width, height)) < height or not self._rows_above(height)

    def _rows_above(self, height: int) -> bool:
        rows = -self._hidden_rows
        for index in range(len(self.lines) - 1 - self._below, -1, -1):
            rows += len(self._rows_at(index))
            if rows > height:
                return True
        return False

    def _up(self, rows: int) -> None:
        height = self._size[1]
        for _ in range(rows):
            if not self._rows_above(height):
                return
            self._hidden_rows += 1
            if self._hidden_rows >= len(self._rows_at(len(self.lines) - 1 - self._below)):
                self._hidden_rows = 0
                self._below += 1

    def _down(self, rows: int) -> None:
        for _ in range(rows):
            if self._hidden_rows:
                self._hidden_rows -= 1
            elif self._below:
                self._below -= 1
                count = len(self._rows_at(len(self.lines) - 1 - self._below))
                self._hidden_rows = count - 1
            else:
                return

    def _rows_at(self, index: int) -> list[Spans]:
        width = self._size[0]
        rows = self.lines[index].rows(width, self._columns)
        return [*self._lines_before(index, width), *rows]

    def _lines_before(self, index: int, width: int) -> Iterator[Spans]:
        day = self.lines[index].time.date()
        if not index or self.lines[index - 1].time.date() != day:
            yield ruler(f"{day:%A, %-d %B %Y}", width)
        if self.unread is not None and len(self.lines) - index == self.unread and index:
            yield ruler("unread", width)


def ruler(text: str, width: int) -> Spans:
    """Return a line across the window with a text in its middle."""
    free = max(0, width - len(text) - 2)
    left = free // 2
    return [(Style.DIM, f"{'-' * left} {text} {'-' * (free - left)}"[:width])]


def longest(scrollbacks: Iterable[Scrollback]) -> Scrollback:
    """Return the scrollback with the most lines."""
    return max(scrollbacks, key=lambda scrollback: len(scrollback.lines))
