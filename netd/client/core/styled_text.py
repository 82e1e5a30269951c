"""A line of text in spans, each with the name of a style, and its form for a terminal."""

from __future__ import annotations

import enum
import zlib
from collections.abc import Iterable
from typing import Final

from netd.protocols.irc import fold


class Style(enum.StrEnum):
    """The look of a span; a front end chooses colours."""

    PLAIN = ""
    DIM = "dim"
    BOLD = "bold"
    MENTION = "mention"
    ERROR = "error"
    NICK0 = "nick0"
    NICK1 = "nick1"
    NICK2 = "nick2"
    NICK3 = "nick3"
    NICK4 = "nick4"
    NICK5 = "nick5"
    NICK6 = "nick6"
    NICK7 = "nick7"
    NICK8 = "nick8"
    NICK9 = "nick9"


Span = tuple[Style, str]
Spans = list[Span]

_RESET: Final = "\x1b[0m"
_NICKS: Final = tuple(style for style in Style if style.startswith("nick"))
NICK_COLORS: Final = (32, 33, 34, 35, 36, 92, 93, 94, 95, 96)
_ANSI: Final = {
    Style.PLAIN: "",
    Style.DIM: "\x1b[2m",
    Style.BOLD: "\x1b[1m",
    Style.MENTION: "\x1b[7m\x1b[1m",
    Style.ERROR: "\x1b[31m",
    **{style: f"\x1b[{color}m" for style, color in zip(_NICKS, NICK_COLORS, strict=True)},
}


def nick_style(nick: str) -> Style:
    """Return the style of a nick, the same in every run and on every machine."""
    return _NICKS[zlib.crc32(fold(nick).encode("utf-8", "replace")) % len(_NICKS)]


def plain_text(spans: Iterable[Span]) -> str:
    """Return the text without styles."""
    return "".join(text for _, text in spans)


def to_ansi(spans: Iterable[Span]) -> str:
    """Return the text with the colour codes of a terminal (ECMA-48)."""
    return "".join(
        f"{_ANSI[style]}{text}{_RESET}" if style and text else text for style, text in spans
    )
