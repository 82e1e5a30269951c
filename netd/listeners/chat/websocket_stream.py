"""WebSocket on top of a Stream, with the same methods and callbacks.

Lines that are written become messages (IRCv3 WebSocket), and messages that arrive become lines. The
handshake is made before.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Final

from netd.protocols.record import Record
from netd.protocols.token_bucket import TokenBucket
from netd.protocols.websocket import CloseCode, Opcode, format_close, format_frame, format_lines
from netd.protocols.websocket_reader import Closed, Event, FrameReader, Ping, Pong
from netd.runtime.loop import Loop
from netd.runtime.stream import Stream, StreamState, ignore

KEEP_ALIVE_S: Final = 20.0
"""A ping is sent at the end of a period in which nothing else was, so after less than two periods
of silence: proxies close a silent connection after 60 s, and HAProxy as Debian ships it after 50 s.
"""
_CONTROL_BURST: Final = 32  # pings and pongs of a client at once, and a second
_CONTROL_RATE: Final = 4.0
_PING: Final = format_frame(Opcode.PING, b"")


class WebSocketStream:
    """The server's side of a WebSocket connection; see Stream for methods and callbacks."""

    __slots__ = (
        *("_control", "_has_end", "_has_more", "_is_paused", "_loop", "_on_closed", "_on_data"),
        *("_on_end", "_period_began", "_sent_before", "_serve_later", "close_code"),
        *("is_queued", "is_relayed", "opcode", "reader", "stream"),
    )

    def __init__(  # noqa: PLR0913 (a Stream's arguments and the type of messages)
        self,
        loop: Loop,
        sock: socket.socket,
        *,
        opcode: Opcode,
        is_relayed: bool,
        on_data: Callable[[bytes], object],
        on_end: Callable[[], object],
        on_closed: Callable[[str], object],
        serve_later: Callable[[WebSocketStream], object],
        max_unsent_bytes: int,
    ) -> None:
        """Take over a connected socket. Raises PollerFullError.

        `serve_later(stream)` lets `serve` be called soon, as for a session: it handles the frames
        that are left when many have arrived at once.
        `is_relayed` if an HTTP worker, which can end, relays between it and the client.
        """
        self._loop = loop
        self.is_relayed = is_relayed
        self._on_data, self._on_end, self._on_closed = on_data, on_end, on_closed
        self._serve_later = serve_later
        self.is_queued = False  # set by the backlog
        self.opcode = opcode
        self.reader = FrameReader()
        self.close_code = CloseCode.NORMAL
        """Sent to the client by `finish`."""
        self._control = TokenBucket(loop.now, _CONTROL_BURST)
        self._is_paused = self._has_more = self._has_end = False
        self.stream = Stream(
            loop,
            sock,
            on_data=self.receive,
            on_end=self._on_stream_end,
            on_closed=self._on_stream_closed,
            max_unsent_bytes=max_unsent_bytes,
        )
        self._period_began, self._sent_before = loop.now, 0

    @property
    def sock(self) -> socket.socket:
        """The socket below."""
        return self.stream.sock

    @property
    def is_open(self) -> bool:
        """See Stream."""
        return self.stream.is_open

    @property
    def bytes_in(self) -> int:
        """Bytes received, with the heads of frames."""
        return self.stream.bytes_in

    @property
    def bytes_out(self) -> int:
        """Bytes sent, with the heads of frames."""
        return self.stream.bytes_out

    @property
    def has_overflowed(self) -> bool:
        """See Stream."""
        return self.stream.has_overflowed

    @property
    def unsent_bytes(self) -> int:
        """See Stream."""
        return self.stream.unsent_bytes

    @property
    def max_unsent_bytes(self) -> int:
        """See Stream."""
        return self.stream.max_unsent_bytes

    @max_unsent_bytes.setter
    def max_unsent_bytes(self, value: int) -> None:
        self.stream.max_unsent_bytes = value

    @property
    def is_cut_off(self) -> bool:
        """Whether the end of file can be that of the HTTP worker, and not of the client."""
        return self.is_relayed and not self.reader.is_closed

    @property
    def held_bytes(self) -> int:
        """The buffered bytes of messages that are not complete."""
        return self.reader.held_bytes

    def write(self, data: bytes) -> None:
        """Queue whole lines for the end of this turn."""
        self.stream.write(format_lines(self.opcode, data))

    def send(self, data: bytes) -> None:
        """Send whole lines as `Stream.send` does."""
        self.stream.send(format_lines(self.opcode, data))

    def keep_alive(self) -> None:
        """Send a ping if nothing was sent for some time; to be called each second."""
        if self._loop.now - self._period_began >= KEEP_ALIVE_S:
            if self.stream.bytes_out == self._sent_before:
                self.stream.write(_PING)
            self._period_began, self._sent_before = self._loop.now, self.stream.bytes_out

    def write_response(self, response: bytes) -> None:
        """Queue the end of the handshake, before all lines."""
        self.stream.write(response)

    def flush(self) -> None:
        """See Stream."""
        self.stream.flush()

    def pause(self) -> None:
        """See Stream."""
        self._is_paused = True
        self.stream.pause()

    def resume(self) -> None:
        """See Stream."""
        self._is_paused = False
        if self._has_more:
            self._serve_later(self)
        else:
            self.stream.resume()

    def when_drained(self, callback: Callable[[], object]) -> None:
        """See Stream."""
        self.stream.when_drained(callback)

    def fingerprint(self) -> str:
        """Empty, as that of Stream."""
        return ""

    def finish(self, reason: str) -> None:
        """Send a close frame, and close when all bytes have been sent."""
        if self.stream.accepts_writes:
            self.stream.write(format_close(self.close_code, reason))
        self.stream.finish(reason)

    def close(self, reason: str) -> None:
        """Close now; unsent bytes are lost."""
        self.stream.close(reason)

    def state(self) -> StreamState:
        """See Stream; `reader` and `opcode` belong to it."""
        return self.stream.state()

    def restore(self, state: StreamState) -> None:
        """Continue a stream of another process, whose reader this one has."""
        self.stream.restore(state)
        if state.closing is None:
            self._has_end = not state.is_reading
            self._has_more = True
            self._serve_later(self)

    def receive(self, data: bytes) -> None:
        """Handle bytes of the client."""
        events, has_more = self.reader.receive(data)
        if has_more and not self._has_more:
            self.stream.pause()
            self._serve_later(self)
        self._has_more = has_more
        if events:
            self._handle(events)

    def serve(self, until: float) -> bool:
        """Handle further frames of what was received at once, unless the lines must wait."""
        while self._may_read_on:
            self._read_on()
            if self._loop.time() >= until:
                break
        return self._may_read_on

    @property
    def _may_read_on(self) -> bool:
        return self._has_more and not self._is_paused and self.stream.is_open

    def _read_on(self) -> None:
        events, self._has_more = self.reader.receive(b"")
        if events:
            self._handle(events)
        if self._has_more or not self.stream.is_open:
            return
        if self._has_end:
            self._has_end = False
            self._on_end()
        elif not self._is_paused:
            self.stream.resume()

    def _handle(self, events: Sequence[Event]) -> None:
        lines = [event.rstrip(b"\r\n") for event in events if isinstance(event, bytes)]
        data = b"".join([line + b"\n" for line in lines if line])
        if data:
            self._on_data(data)
        for event in events:
            if not self.stream.accepts_writes:
                return
            if isinstance(event, Closed):
                self._end(event)
            elif isinstance(event, (Ping, Pong)):
                self._answer(event)

    def _answer(self, event: Ping | Pong) -> None:
        if not self._control.take(self._loop.now, _CONTROL_RATE, _CONTROL_BURST):
            self._end(Closed(CloseCode.POLICY_VIOLATION, "too many control frames"))
        elif isinstance(event, Ping):
            self.stream.write(format_frame(Opcode.PONG, event.payload))

    def _end(self, event: Closed) -> None:
        """End as the client has requested, after its lines; after a fault, end at once."""
        if event.fault:
            self.reader.close()
            self.close_code = event.code
            self.finish(f"WebSocket: {event.fault}")
        else:
            self._on_end()

    def _on_stream_end(self) -> None:
        if self._has_more:
            self._has_end = True  # after the frames that are still to be handled
        else:
            self._on_end()

    def _on_stream_closed(self, reason: str) -> None:
        on_closed = self._on_closed
        self._on_data = self._on_end = self._on_closed = ignore  # as Stream.close does
        on_closed(reason)


WEB_STREAM: Final = Record(
    WebSocketStream,
    {},
    {
        **dict.fromkeys(("opcode", "is_relayed", "reader"), "saved beside it; see SavedWebSocket"),
        **dict.fromkeys(("_loop", "_on_closed", "_on_data", "_on_end"), "the session's"),
        "stream": "saved as a StreamState",
        "_control": "a client may send a burst again",
        "_has_end": "follows from the StreamState",
        "_has_more": "frames that were read are handled again in any case",
        "_is_paused": "as the session's",
        **dict.fromkeys(("_serve_later", "is_queued"), "of the backlog, which is made anew"),
        **dict.fromkeys(("_period_began", "_sent_before"), "a period begins anew"),
        "close_code": "the close frame is among the unsent bytes",
    },
)
