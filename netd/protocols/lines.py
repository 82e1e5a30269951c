"""Bounded line framing: bytes in any pieces become lines, for IRC and the control socket.

A line ends with LF or CRLF, as `nc` and a careful client send it. It knows nothing of what
a line means, and never holds more than one line's bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Overlong:
    """A line above the bound: its start; the rest was thrown away."""

    start: bytes


Line = bytes | Overlong


class LineFramer:
    """Cuts a stream into lines of at most `max_line_bytes`, their ending not counted."""

    __slots__ = ("_max_line_bytes", "_overlong", "_partial")

    def __init__(self, max_line_bytes: int) -> None:
        self._max_line_bytes = max_line_bytes
        self._partial = b""
        self._overlong = False

    @property
    def held_bytes(self) -> int:
        """Bytes of a line that has not ended yet."""
        return len(self._partial)

    def receive(self, data: bytes) -> Sequence[Line]:
        """Every line that `data` ends, without its ending."""
        if b"\n" not in data:
            self._hold(self._partial + data)
            return ()
        *ended, rest = (self._partial + data).split(b"\n")
        self._partial = b""
        lines = [self._line(each) for each in ended]
        self._hold(rest)
        return lines

    def end(self) -> Sequence[Line]:
        """At end-of-file: what is buffered is the last line, if there is anything."""
        if not self._partial:
            return ()
        last, self._partial = self._partial, b""
        return (self._line(last),)

    def _hold(self, rest: bytes) -> None:
        room = self._max_line_bytes + 1  # a CR may yet turn out to belong to the ending
        self._overlong |= len(rest) > room
        self._partial = rest[:room]

    def _line(self, line: bytes) -> Line:
        overlong, self._overlong = self._overlong, False
        line = line.removesuffix(b"\r")
        if overlong or len(line) > self._max_line_bytes:
            return Overlong(line[: self._max_line_bytes])
        return line
