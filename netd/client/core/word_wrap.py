"""Breaks a line at spaces to the width of a terminal and indents its continuation.

Colour codes take no columns. A word wider than the terminal is kept whole, so that a URL can
still be clicked.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_COLOR: Final = re.compile(r"\x1b\[[0-9;]*m")
_MIN_WIDTH: Final = 20


def word_wrap(line: str, width: int, indent: int) -> list[str]:
    """Split the line into pieces of at most `width` columns, as far as its words allow."""
    if width < _MIN_WIDTH or columns(line) <= width:
        return [line]
    piece, *words = line.split(" ")
    pieces, used = [], columns(piece)
    for word in words:
        needed = columns(word)
        if used > indent and used + 1 + needed > width:
            pieces.append(piece)
            piece, used = " " * indent + word, indent + needed
        else:
            piece, used = f"{piece} {word}", used + 1 + needed
    return [*pieces, piece]


def columns(text: str) -> int:
    """Return the number of terminal columns that a text takes."""
    plain = _COLOR.sub("", text)
    return len(plain) if plain.isascii() else sum(map(_columns, plain))


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
