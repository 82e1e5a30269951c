"""Prints text of a file or of another process, with its control characters escaped."""

from __future__ import annotations

import re
from typing import Final, TextIO

_UNPRINTABLE: Final = re.compile(r"[^\x20-\x7e\n]")  # or a letter; see _escape


def show(text: str, file: TextIO | None = None) -> None:
    """Print text, on standard output unless a file is given."""
    print(escaped(text), file=file, flush=True)


def escaped(text: str) -> str:
    """The text with its control characters as escape sequences of Python."""
    return _UNPRINTABLE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    return match[0] if match[0].isprintable() else match[0].encode("unicode_escape").decode()
