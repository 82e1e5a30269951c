"""Parses the bytes of one connection into the events of its requests.

The reader reads one request at a time: pipelined bytes wait until `start_next`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from netd.errors import LocalProtocolError, RemoteProtocolError
from netd.listeners.http.protocol import grammar
from netd.listeners.http.protocol.chunked import ChunkedReader, SavedChunks
from netd.listeners.http.protocol.event import Data, End, Event, Framing, Request
from netd.listeners.http.protocol.head import RequestLimits, parse_head, parse_request_line


class ReadPhase(Enum):
    """The part of a request that is read next."""

    HEAD = "head"
    LENGTH = "a body with Content-Length"
    CHUNKED = "a chunked body"
    END = "nothing; the End event is due"
    DONE = "nothing until start_next"
    BROKEN = "nothing any more, after an error"


_AFTER_HEAD: Final = {
    Framing.NONE: ReadPhase.END,
    Framing.LENGTH: ReadPhase.LENGTH,
    Framing.CHUNKED: ReadPhase.CHUNKED,
}
_WITHOUT_REQUEST: Final = frozenset({ReadPhase.HEAD, ReadPhase.BROKEN})
_EMPTY_LINE: Final = b"\r\n"
_HEAD: Final = ReadPhase.HEAD  # looking a member up in its class takes ten times as long


@dataclass(frozen=True, slots=True)
class SavedReader:
    """The state of a RequestReader for another process."""

    phase: ReadPhase = ReadPhase.HEAD
    buffer: bytes = b""
    has_skipped_line: bool = False
    head: bytes = b""
    left: int = 0
    chunked: SavedChunks | None = None

    def __post_init__(self) -> None:
        if (self.phase is ReadPhase.LENGTH) != (self.left > 0):
            raise ValueError("the rest of a body without its length")
        if (self.phase is ReadPhase.CHUNKED) != (self.chunked is not None):
            raise ValueError("the rest of a chunked body without its chunks")
        if (self.phase in _WITHOUT_REQUEST) != (not self.head):
            raise ValueError("a request without its head")


class RequestReader:
    """Takes bytes by `receive`; `next_event` returns events until it returns None."""

    def __init__(self, limits: RequestLimits) -> None:
        self._limits = limits
        self._buffer = bytearray()
        self._phase = ReadPhase.HEAD
        self._scanned = 0  # bytes of an incomplete head that were found valid
        self._has_skipped_line = False
        self._left = 0
        self._chunked: ChunkedReader | None = None
        self.head = b""
        """The head of the last request, as received."""

    @classmethod
    def load(cls, saved: SavedReader, limits: RequestLimits) -> RequestReader:
        """Continue with a request that was saved, within other limits."""
        reader = cls(limits)
        reader._phase = saved.phase
        reader._buffer += saved.buffer
        reader._has_skipped_line = saved.has_skipped_line
        reader.head = saved.head
        reader._left = saved.left
        if saved.chunked is not None:
            reader._chunked = ChunkedReader.load(saved.chunked, limits)
        return reader

    def save(self) -> SavedReader:
        """Describe the present request, and the bytes that belong to no event yet."""
        chunked = self._chunked if self._phase is ReadPhase.CHUNKED else None
        return SavedReader(
            phase=self._phase,
            buffer=bytes(self._buffer),
            has_skipped_line=self._has_skipped_line,
            head=b"" if self._phase in _WITHOUT_REQUEST else self.head,
            left=self._left if self._phase is ReadPhase.LENGTH else 0,
            chunked=None if chunked is None else chunked.save(),
        )

    @property
    def phase(self) -> ReadPhase:
        """The part of a request that is read next."""
        return self._phase

    @property
    def is_between_requests(self) -> bool:
        """True while no byte of a next request has arrived."""
        return self._phase is _HEAD and not (self._buffer or self._has_skipped_line)

    @property
    def unread_bytes(self) -> int:
        """Bytes received that belong to no event yet."""
        return len(self._buffer)

    @property
    def received(self) -> bytes:
        """The head of the last request, and the bytes received that belong to no event yet."""
        return self.head + bytes(self._buffer)

    def receive(self, data: bytes) -> None:
        """Take bytes from the peer."""
        self._buffer += data

    def next_event(self) -> Event | None:
        """Return the next event, None if bytes are missing or `start_next` must be called.

        Raises RemoteProtocolError with the status to respond with; nothing is read after it.
        """
        try:
            return self._next_event()
        except RemoteProtocolError:
            self._phase = ReadPhase.BROKEN
            self._buffer.clear()
            raise

    def peek_head(self, start: int = 0) -> bytes | None:
        """Return the head of a request as received, not parsed, if it is complete.

        It is the head of the next request, or the one after `start` bytes of heads before it.
        """
        if self._phase is not _HEAD:
            return None
        end = self._buffer.find(b"\r\n\r\n", start, start + self._limits.head)
        return bytes(self._buffer[start : end + 4]) if end >= 0 else None

    def parse_again(self) -> Request:
        """Parse the head of the present request. Raises RemoteProtocolError."""
        return parse_head(self.head, self._limits)

    def drop(self, count: int) -> None:
        """Remove the heads that `peek_head` returned: they were served without parsing."""
        del self._buffer[:count]
        self._start_head()

    def start_next(self) -> None:
        """Start with the next request. Raises LocalProtocolError while one is being read."""
        if self._phase is not ReadPhase.DONE:
            raise LocalProtocolError(f"start_next in {self._phase}")
        self._phase = ReadPhase.HEAD
        self._start_head()

    def _start_head(self) -> None:
        self._scanned = 0
        self._has_skipped_line = False

    def _next_event(self) -> Event | None:
        match self._phase:
            case ReadPhase.HEAD:
                return self._read_head()
            case ReadPhase.LENGTH:
                return self._read_length()
            case ReadPhase.CHUNKED if self._chunked is not None:
                return self._read_chunked(self._chunked)
            case ReadPhase.END:
                self._phase = ReadPhase.DONE
                return End()
        return None

    def _read_head(self) -> Request | None:
        if self._buffer.startswith(_EMPTY_LINE) and not self._has_skipped_line:
            del self._buffer[:2]  # RFC 9112 section 2.2: one empty line before a request
            self._has_skipped_line = True
        end = self._buffer.find(b"\r\n\r\n", max(0, self._scanned - 3), self._limits.head)
        if end < 0:
            self._check_incomplete()
            return None
        self.head = bytes(self._buffer[: end + 4])
        del self._buffer[: end + 4]
        request = self.parse_again()
        self._phase = _AFTER_HEAD[request.framing]
        self._left = request.length
        self._chunked = ChunkedReader(self._limits) if request.framing is Framing.CHUNKED else None
        return request

    def _check_incomplete(self) -> None:
        """Refuse an incomplete head at once if no further byte can make it valid."""
        if grammar.INVALID.search(self._buffer, max(0, self._scanned - 1)):
            raise RemoteProtocolError("control byte or bare line end in the head", 400)
        self._scanned = len(self._buffer)
        line_end = self._buffer.find(b"\r\n", 0, self._limits.request_line + 2)
        if line_end >= 0:
            parse_request_line(bytes(self._buffer[:line_end]), self._limits)
        elif len(self._buffer) > self._limits.request_line:
            has_method = b" " in self._buffer[: self._limits.request_line]
            raise RemoteProtocolError("request line too long", 414 if has_method else 400)
        if len(self._buffer) > self._limits.head:
            raise RemoteProtocolError(f"head longer than {self._limits.head} bytes", 431)

    def _read_length(self) -> Data | None:
        payload = bytes(self._buffer[: self._left])
        if not payload:
            return None
        if self._left > self._limits.body:  # refused once the body arrives: then the client reads
            raise RemoteProtocolError(f"a body of {self._left} bytes is too long", 413)
        del self._buffer[: len(payload)]
        self._left -= len(payload)
        if not self._left:
            self._phase = ReadPhase.END
        return Data(payload)

    def _read_chunked(self, reader: ChunkedReader) -> Event | None:
        event = reader.next_event(self._buffer)
        if isinstance(event, End):
            self._phase = ReadPhase.DONE
        return event
