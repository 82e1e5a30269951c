"""Makes text from the network safe to show: no escape sequence survives it.

Pure. A terminal obeys control characters (ECMA-48), so none of C0, DEL and C1 passes; nor do
the characters that turn the direction of what follows (Unicode UAX #9), or break the line.
"""

from __future__ import annotations

import re
from typing import Final

# Old clients' bold, colour, italics and the like: decoration, dropped without a trace.
_DECORATION: Final = re.compile(
    r"\x03(?:\d{1,2}(?:,\d{1,2})?)?|\x04[0-9A-Fa-f]{0,6}|[\x02\x0f\x11\x16\x1d\x1e\x1f]"
)
_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]"
)
_REPLACEMENT: Final = "\ufffd"
_FIRST_PICTURE: Final = 0x2400  # SYMBOL FOR NULL; the others follow in order
_SPACE: Final = 0x20
_DELETE: Final = "\x7f"


def clean(text: str) -> str:
    """The text with nothing in it that moves a cursor or changes a colour."""
    return _UNSAFE.sub(_picture, _DECORATION.sub("", text).replace("\t", "    "))


def _picture(match: re.Match[str]) -> str:
    character = match[0]
    if ord(character) < _SPACE:
        return chr(_FIRST_PICTURE + ord(character))
    return "\u2421" if character == _DELETE else _REPLACEMENT
