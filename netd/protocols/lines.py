"""Splits a byte stream into lines of bounded length, for IRC and the control socket.

A line ends with LF or CRLF. The framer buffers at most one line of the maximum length, and the
lines that are left if `receive` may return only some of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from netd.protocols.record import BYTES, FLAG, Field, Record, load_bytes, load_list, save_bytes


@dataclass(frozen=True, slots=True)
class Overlong:
    """The start of a line that was too long; the rest was discarded."""

    start: bytes


Line = bytes | Overlong


def size_of(line: Line) -> int:
    """The bytes of a line with its ending, so that empty lines count too."""
    return len(line.start if isinstance(line, Overlong) else line) + 1


class LineFramer:
    """Splits a stream into lines of at most `max_line_bytes`, without counting their endings."""

    __slots__ = ("_max_line_bytes", "_overlong", "_partial", "_unsplit")

    def __init__(self, max_line_bytes: int) -> None:
        self._max_line_bytes = max_line_bytes
        self._partial = b""
        self._overlong = False
        self._unsplit = b""  # if not empty, it has at least one whole line

    @property
    def held_bytes(self) -> int:
        """The number of buffered bytes."""
        return len(self._partial) + len(self._unsplit)

    @property
    def unsplit_bytes(self) -> int:
        """The number of bytes that `more` has not split."""
        return len(self._unsplit)

    def receive(self, data: bytes, max_lines: int = -1) -> Sequence[Line]:
        """Return the lines that `data` completes, without their endings.

        With `max_lines` it returns the first of them, and `more` returns the others; none if
        lines of an earlier call are left.
        """
        if self._unsplit:
            self._unsplit += data
            return ()
        if b"\n" not in data:
            self._hold(self._partial + data)
            return ()
        return self._split(self._partial + data, max_lines)

    def more(self, max_lines: int) -> Sequence[Line]:
        """Return the next lines that `receive` has left; empty if there are none."""
        if not self._unsplit:
            return ()
        return self._split(self._unsplit, max_lines)

    def end(self) -> Sequence[Line]:
        """Return the last line at end-of-file, if there is one without an ending.

        If `receive` has left lines, `more` returns the last one after these.
        """
        if self._unsplit and not self._unsplit.endswith(b"\n"):
            self._unsplit += b"\n"
        if not self._partial:
            return ()
        last, self._partial = self._partial, b""
        return (self._line(last),)

    def _split(self, data: bytes, max_lines: int) -> Sequence[Line]:
        *ended, rest = data.split(b"\n", max_lines)
        self._partial = b""
        lines = [self._line(line) for line in ended]
        if b"\n" in rest:
            self._unsplit = rest
        else:
            self._unsplit = b""
            self._hold(rest)
        return lines

    def _hold(self, rest: bytes) -> None:
        limit = self._max_line_bytes + 1  # a CR can be the first byte of the ending
        self._overlong |= len(rest) > limit
        self._partial = rest[:limit]

    def _line(self, line: bytes) -> Line:
        overlong, self._overlong = self._overlong, False
        line = line.removesuffix(b"\r")
        if overlong or len(line) > self._max_line_bytes:
            return Overlong(line[: self._max_line_bytes])
        return line


def _load_line(data: object) -> Line:
    if isinstance(data, str):
        return load_bytes(data)
    (start,) = load_list(data)
    return Overlong(load_bytes(start))


def _save_line(line: Line) -> str | list[str]:
    return save_bytes(line) if isinstance(line, bytes) else [save_bytes(line.start)]


LINE: Final = Field(_load_line, _save_line)
"""A saved line: its text, or a list with the start of one that was too long."""

FRAMER: Final = Record(
    LineFramer,
    {"_partial": BYTES, "_overlong": FLAG, "_unsplit": BYTES},
    {"_max_line_bytes": "an argument of the constructor"},
)
"""A saved LineFramer: the line that has not ended, or the lines that are left."""
