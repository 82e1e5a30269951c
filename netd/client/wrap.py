"""Breaks a line at spaces to the width of a terminal, the rest indented; pure.

Colours take no room; a word too long for a line (an address to be clicked) is left whole.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_COLOR: Final = re.compile(r"\x1b\[[0-9;]*m")
_NARROWEST: Final = 20


def wrap(line: str, width: int, indent: int) -> list[str]:
    """The line in pieces of at most `width` columns, where its words allow it."""
    if width < _NARROWEST or columns(line) <= width:
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
    """How many columns a text takes on a terminal."""
    plain = _COLOR.sub("", text)
    return len(plain) if plain.isascii() else sum(map(_columns, plain))


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
