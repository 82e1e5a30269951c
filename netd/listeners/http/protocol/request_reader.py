"""One connection's incoming side: which bytes belong to which request, in which phase.

Reads one request at a time; what a peer pipelines behind it waits until `start_next`.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from netd.errors import LocalProtocolError, RemoteProtocolError
from netd.listeners.http.protocol import grammar
from netd.listeners.http.protocol.chunked import ChunkedReader
from netd.listeners.http.protocol.event import Data, End, Event, Framing, Request
from netd.listeners.http.protocol.head import Limits, parse_head, parse_request_line


class Phase(Enum):
    """Where in a request the reader is."""

    HEAD = "head"
    LENGTH = "a body of known length"
    CHUNKED = "a chunked body"
    END = "the end is to be told"
    DONE = "read to the end; waiting for start_next"
    BROKEN = "refused; nothing more is read"


_AFTER_HEAD: Final = {
    Framing.NONE: Phase.END,
    Framing.LENGTH: Phase.LENGTH,
    Framing.CHUNKED: Phase.CHUNKED,
}
_EMPTY_LINE: Final = b"\r\n"


class RequestReader:
    """Bytes in by `receive`, events out by `next_event` until it gives None."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._buffer = bytearray()
        self._phase = Phase.HEAD
        self._scanned = 0  # bytes of an unfinished head already found clean
        self._line_judged = False
        self._left = 0
        self._chunked: ChunkedReader | None = None

    @property
    def phase(self) -> Phase:
        """Where the reader is now."""
        return self._phase

    @property
    def is_between_requests(self) -> bool:
        """True while nothing of a next request has come."""
        return self._phase is Phase.HEAD and not (self._buffer or self._line_judged)

    @property
    def unread_bytes(self) -> int:
        """How much has come that no event has told of yet."""
        return len(self._buffer)

    def receive(self, data: bytes) -> None:
        """Take in what the peer sent."""
        self._buffer += data

    def next_event(self) -> Event | None:
        """The next event, or None for want of bytes or of `start_next`.

        Raises RemoteProtocolError, with the status to answer; after that nothing is read.
        """
        try:
            return self._next_event()
        except RemoteProtocolError:
            self._phase = Phase.BROKEN
            self._buffer.clear()
            raise

    def peek_head(self) -> bytes | None:
        """The next request's head as it came, unjudged, if it is all there; for look-ups."""
        if self._phase is not Phase.HEAD:
            return None
        end = self._buffer.find(b"\r\n\r\n", 0, self._limits.head)
        return bytes(self._buffer[: end + 4]) if end >= 0 else None

    def drop(self, count: int) -> None:
        """Forget the head that `peek_head` gave: somebody has answered it."""
        del self._buffer[:count]
        self._start_head()

    def start_next(self) -> None:
        """Go on to the next request; LocalProtocolError while one is being read."""
        if self._phase is not Phase.DONE:
            raise LocalProtocolError(f"start_next in {self._phase}")
        self._phase = Phase.HEAD
        self._start_head()

    def _start_head(self) -> None:
        self._scanned = 0
        self._line_judged = False

    def _next_event(self) -> Event | None:
        match self._phase:
            case Phase.HEAD:
                return self._read_head()
            case Phase.LENGTH:
                return self._read_length()
            case Phase.CHUNKED:
                return self._read_chunked()
            case Phase.END:
                self._phase = Phase.DONE
                return End()
        return None

    def _read_head(self) -> Request | None:
        if self._buffer.startswith(_EMPTY_LINE) and not self._line_judged:
            del self._buffer[:2]  # RFC 9112 section 2.2: one empty line before a request
            self._line_judged = True
        end = self._buffer.find(b"\r\n\r\n", max(0, self._scanned - 3), self._limits.head)
        if end < 0:
            self._judge_unfinished()
            return None
        head = bytes(self._buffer[: end + 4])
        del self._buffer[: end + 4]
        request = parse_head(head, self._limits)
        self._phase = _AFTER_HEAD[request.framing]
        self._left = request.length
        self._chunked = ChunkedReader(self._limits) if request.framing is Framing.CHUNKED else None
        return request

    def _judge_unfinished(self) -> None:
        """Refuse at once what no further byte could make good."""
        if grammar.FOUL.search(self._buffer, max(0, self._scanned - 1)):
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
        if self._left > self._limits.body:  # told once the body comes: then the peer is reading
            raise RemoteProtocolError(f"a body of {self._left} bytes is too long", 413)
        del self._buffer[: len(payload)]
        self._left -= len(payload)
        if not self._left:
            self._phase = Phase.END
        return Data(payload)

    def _read_chunked(self) -> Event | None:
        assert self._chunked is not None
        event = self._chunked.next_event(self._buffer)
        if isinstance(event, End):
            self._phase = Phase.DONE
        return event
