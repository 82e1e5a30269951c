"""Text whose width all terminals agree on, for a view that is drawn cell by cell.

Terminals disagree about joined emoji, variation selectors and skin tones: what they draw is
narrower or wider than the sum of the characters, and the rest of the row would be displaced.
Such sequences are shown as their parts. Stacks of combining characters are cut.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from netd.client.core.styled_text import Spans

_MAX_COMBINING: Final = 3  # for one character: Vietnamese and pointed Hebrew need no more
# Variation selectors, skin tones and tags; a joiner that is next to an emoji. Joiners between
# letters stay: Persian and the scripts of India need them.
_UNSTEADY: Final = re.compile(
    "[\ufe00-\ufe0f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f\U000e0100-\U000e01ef]"
    "|(?<=[\u2190-\u2bff\ufe0f\U0001f000-\U0001faff])\u200d"
)


def steady(text: str) -> str:
    """Return the text without characters that terminals draw in different widths."""
    if text.isascii():
        return text
    text = _UNSTEADY.sub("", text)
    return _cut_stacks(text) if any(map(unicodedata.combining, text)) else text


def steady_spans(spans: Spans) -> Spans:
    """Return the spans with such a text."""
    return [(style, steady(text)) for style, text in spans]


def _cut_stacks(text: str) -> str:
    kept: list[str] = []
    height = 0
    for character in text:
        height = height + 1 if unicodedata.combining(character) else 0
        if height <= _MAX_COMBINING:
            kept.append(character)
    return "".join(kept)
