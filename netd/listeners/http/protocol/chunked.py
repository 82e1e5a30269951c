"""Reads a chunked body (RFC 9112 section 7.1); sizes, lines and trailers are bounded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from netd.errors import RemoteProtocolError
from netd.listeners.http.protocol import grammar
from netd.listeners.http.protocol.event import Data, End
from netd.listeners.http.protocol.head import RequestLimits, parse_fields

_MAX_LINE_BYTES: Final = 1024
# RFC 9110 section 6.5.1: fields for framing, routing, authentication, and the type of content.
_NO_TRAILERS: Final = frozenset(
    {
        *(b"transfer-encoding", b"content-length", b"host", b"te", b"trailer", b"connection"),
        *(b"authorization", b"proxy-authorization", b"cookie", b"expect", b"range", b"upgrade"),
        *(b"content-type", b"content-encoding", b"content-range", b"cache-control"),
    }
)


@dataclass(frozen=True, slots=True)
class SavedChunks:
    """The state of a ChunkedReader for another process."""

    taken: int
    """The sizes of all chunks so far, the present one included."""
    left: int = 0
    at_end_of_chunk: bool = False
    in_trailers: bool = False
    trailers: bytes = b""

    def __post_init__(self) -> None:
        if not 0 <= self.left <= self.taken:
            raise ValueError("a chunk of a negative size")


class ChunkedReader:
    """Removes the body's bytes from the front of a buffer, which may contain more requests."""

    def __init__(self, limits: RequestLimits) -> None:
        self._limits = limits
        self._remaining = limits.body
        self._left = 0  # bytes of the present chunk
        self._at_end_of_chunk = False
        self._in_trailers = False
        self._trailers = bytearray()

    @classmethod
    def load(cls, saved: SavedChunks, limits: RequestLimits) -> ChunkedReader:
        """Continue with a body that was saved; `limits` apply to the whole of it."""
        reader = cls(limits)
        reader._remaining -= saved.taken
        reader._left = saved.left
        reader._at_end_of_chunk = saved.at_end_of_chunk
        reader._in_trailers = saved.in_trailers
        reader._trailers += saved.trailers
        return reader

    def save(self) -> SavedChunks:
        """Describe the body so far."""
        return SavedChunks(
            taken=self._limits.body - self._remaining,
            left=self._left,
            at_end_of_chunk=self._at_end_of_chunk,
            in_trailers=self._in_trailers,
            trailers=bytes(self._trailers),
        )

    def next_event(self, buffer: bytearray) -> Data | End | None:
        """Return the next event, None if bytes are missing. Raises RemoteProtocolError."""
        if self._in_trailers:
            return self._read_trailers(buffer)
        if self._left:
            return self._read_payload(buffer)
        if self._at_end_of_chunk and not self._read_chunk_end(buffer):
            return None
        return self.next_event(buffer) if self._read_size(buffer) else None

    def _read_payload(self, buffer: bytearray) -> Data | None:
        payload = bytes(buffer[: self._left])
        del buffer[: len(payload)]
        self._left -= len(payload)
        self._at_end_of_chunk = not self._left
        return Data(payload) if payload else None

    def _read_chunk_end(self, buffer: bytearray) -> bool:
        if not b"\r\n".startswith(bytes(buffer[:2])):
            raise RemoteProtocolError("a chunk does not end where its size says", 400)
        if len(buffer) < 2:  # noqa: PLR2004 (a CRLF)
            return False
        del buffer[:2]
        self._at_end_of_chunk = False
        return True

    def _read_size(self, buffer: bytearray) -> bool:
        line = _cut_line(buffer, too_long=400)
        if line is None:
            return False
        match = grammar.CHUNK_LINE.fullmatch(line)
        if match is None:
            raise RemoteProtocolError("malformed chunk size", 400)
        self._left = int(match[1], 16)
        self._remaining -= self._left
        if self._remaining < 0:
            raise RemoteProtocolError(f"a body of more than {self._limits.body} bytes", 413)
        self._in_trailers = not self._left
        return True

    def _read_trailers(self, buffer: bytearray) -> End | None:
        while (line := _cut_line(buffer, too_long=431)) is not None:
            if not line:
                return End(self._check_trailers())
            self._trailers += line + b"\r\n"
            if len(self._trailers) > self._limits.head:
                raise RemoteProtocolError(f"trailers longer than {self._limits.head} bytes", 431)
        return None

    def _check_trailers(self) -> tuple[tuple[bytes, bytes], ...]:
        trailers = parse_fields(bytes(self._trailers), self._limits)
        if any(name.lower() in _NO_TRAILERS for name, _ in trailers):
            raise RemoteProtocolError("a trailer that belongs in the head", 400)
        return trailers


def _cut_line(buffer: bytearray, *, too_long: int) -> bytes | None:
    """Remove and return the next line without its CRLF; None if bytes are missing.

    An invalid or too long line is refused before its end has arrived.
    """
    end = buffer.find(b"\r\n", 0, _MAX_LINE_BYTES)
    line = bytes(buffer[: end if end >= 0 else _MAX_LINE_BYTES])
    if grammar.INVALID.search(line):
        raise RemoteProtocolError("malformed line in a chunked body", 400)
    if end < 0:
        if len(line) == _MAX_LINE_BYTES:
            raise RemoteProtocolError(f"a line longer than {_MAX_LINE_BYTES} bytes", too_long)
        return None
    del buffer[: end + 2]
    return line
