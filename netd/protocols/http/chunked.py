"""A chunked body (RFC 9112 section 7.1): sizes and extensions bounded, every CRLF demanded."""

from __future__ import annotations

from typing import Final

from netd.errors import RemoteProtocolError
from netd.protocols.http import grammar
from netd.protocols.http.event import Data, End
from netd.protocols.http.head import Limits, parse_fields

_MAX_LINE_BYTES: Final = 1024


class ChunkedReader:
    """Takes its bytes off the front of a buffer, which may go on with the next request."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._allowed = limits.body
        self._left = 0  # of the present chunk
        self._at_end_of_chunk = False
        self._in_trailers = False

    def next_event(self, buffer: bytearray) -> Data | End | None:
        """The next piece, the end, or None for want of bytes. Raises RemoteProtocolError."""
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
        line = _cut_line(buffer, _MAX_LINE_BYTES, 400)
        if line is None:
            return False
        match = grammar.CHUNK_LINE.fullmatch(line)
        if match is None:
            raise RemoteProtocolError("malformed chunk size", 400)
        self._left = int(match[1], 16)
        self._allowed -= self._left
        if self._allowed < 0:
            raise RemoteProtocolError(f"a body of more than {self._limits.body} bytes", 413)
        self._in_trailers = not self._left
        return True

    def _read_trailers(self, buffer: bytearray) -> End | None:
        if buffer.startswith(b"\r\n"):
            del buffer[:2]
            return End()
        end = buffer.find(b"\r\n\r\n")
        block = bytes(buffer if end < 0 else buffer[: end + 2])
        if len(block) > self._limits.head:
            raise RemoteProtocolError(f"trailers longer than {self._limits.head} bytes", 431)
        if grammar.FOUL.search(block):
            raise RemoteProtocolError("malformed trailer", 400)
        if end < 0:
            return None
        del buffer[: end + 4]
        return End(parse_fields(block, self._limits))


def _cut_line(buffer: bytearray, max_bytes: int, status: int) -> bytes | None:
    end = buffer.find(b"\r\n", 0, max_bytes)
    line = bytes(buffer[: end if end >= 0 else max_bytes])
    if grammar.FOUL.search(line):
        raise RemoteProtocolError("malformed line in a chunked body", status)
    if end < 0:
        if len(line) >= max_bytes:
            raise RemoteProtocolError(f"a line longer than {max_bytes} bytes", status)
        return None
    del buffer[: end + 2]
    return line
