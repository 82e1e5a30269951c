"""Makes text from the network safe to display.

A terminal obeys control characters (ECMA-48), so no character of C0 and C1 and no DEL passes.
Characters that reverse the text after them (Unicode UAX #9) or end a line do not pass either.
"""

from __future__ import annotations

import re
from typing import Final

# Bold, colour, italics and other formatting codes of IRC clients are removed.
_FORMATTING: Final = re.compile(
    r"\x03(?:\d{1,2}(?:,\d{1,2})?)?|\x04[0-9A-Fa-f]{0,6}|[\x02\x0f\x11\x16\x1d\x1e\x1f]"
)
_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]"
)
_REPLACEMENT: Final = "\ufffd"
_CONTROL_PICTURES: Final = 0x2400  # SYMBOL FOR NULL; those of the other C0 characters follow
_SPACE: Final = 0x20
_DELETE: Final = "\x7f"


def sanitize(text: str) -> str:
    """Replace every character that could move the cursor, change a colour or end a line."""
    return _UNSAFE.sub(_visible, _FORMATTING.sub("", text).replace("\t", "    "))


def _visible(match: re.Match[str]) -> str:
    character = match[0]
    if ord(character) < _SPACE:
        return chr(_CONTROL_PICTURES + ord(character))
    return "\u2421" if character == _DELETE else _REPLACEMENT
