"""Breaks a line into rows of the width of a terminal, at spaces where possible.

The rows after the first are indented. A URL is not broken where it fits into a row, so that a
terminal can open it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from netd.client.core.styled_text import Span, Spans, Style, plain_text

MIN_WIDTH: Final = 20

Columns = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class _Row:
    start: int
    end: int
    indent: int


def columns(text: str) -> int:
    """Return the number of terminal columns that a text takes."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def word_wrap(
    spans: Spans, width: int, indent: int, *, columns: Columns = columns, breaks_words: bool
) -> list[Spans]:
    """Return the rows of a line; line ends in it begin a new row.

    A word that is wider than a row is broken if `breaks_words`, else kept whole.
    """
    text = plain_text(spans)
    if "\n" not in text and columns(text) <= width:
        return [spans]
    if width < MIN_WIDTH and not breaks_words:
        return [spans]
    indent = indent if width > 2 * indent + 2 else 0
    rows = list(_Breaking(text, width, indent, columns, breaks_words=breaks_words).rows())
    return [_cut(spans, row) for row in rows]


def _cut(spans: Spans, row: _Row) -> Spans:
    cut: list[Span] = [(Style.PLAIN, " " * row.indent)] if row.indent else []
    at = 0
    for style, text in spans:
        part = text[max(0, row.start - at) : max(0, row.end - at)]
        if part:
            cut.append((style, part))
        at += len(text)
    return cut


class _Breaking:
    """One line while it is broken: the row that begins at `start` is `used` columns wide."""

    def __init__(
        self, text: str, width: int, indent: int, columns: Columns, *, breaks_words: bool
    ) -> None:
        self.text, self.width, self.indent, self.columns = text, width, indent, columns
        self.breaks_words = breaks_words
        self.start = self.used = self.row_indent = 0

    def rows(self) -> Iterator[_Row]:
        at = 0
        for number, paragraph in enumerate(self.text.split("\n")):
            if number:
                self._begin(at, self.indent)
            for place, word in _words(paragraph):
                yield from self._add(at + place, word)
            yield _Row(self.start, at + len(paragraph), self.row_indent)
            at += len(paragraph) + 1

    def _begin(self, at: int, indent: int) -> None:
        self.row_indent = self.used = indent
        self.start = at

    def _add(self, at: int, word: str) -> Iterator[_Row]:
        """Add a word, after the space before it; yield the rows that this completes."""
        is_first = at == self.start
        needed, space = self.columns(word), 0 if is_first else 1
        if self.used + space + needed <= self.width:
            self.used += space + needed
            return
        is_url = "://" in word
        is_whole = needed <= self.width - self.indent or not self.breaks_words
        if not is_first and (is_whole or is_url or self.used + space >= self.width):
            if self.used > self.row_indent or self.breaks_words:
                yield _Row(self.start, at - 1, self.row_indent)
                self._begin(at, 0 if is_url and not is_whole else self.indent)
            space = 0
        self.used += space
        if is_whole or self.used + needed <= self.width:
            self.used += needed
        else:
            yield from self._break(at, word, 0 if is_url else self.indent)

    def _break(self, at: int, word: str, indent: int) -> Iterator[_Row]:
        """Add a word that is wider than a row, character by character."""
        for place, character in enumerate(word):
            needed = self.columns(character)
            if self.used + needed > self.width and at + place > self.start:
                yield _Row(self.start, at + place, self.row_indent)
                self._begin(at + place, indent)
            self.used += needed


def _words(paragraph: str) -> Iterator[tuple[int, str]]:
    at = 0
    for word in paragraph.split(" "):
        yield at, word
        at += len(word) + 1
