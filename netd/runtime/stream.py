"""A connected stream socket on a loop, with bounded output.

Bytes that are written during a turn are sent at its end, in one system call if the socket accepts
them; the rest waits until the socket is writable. `unsent_bytes` is the number of bytes that wait;
a stream with more than `max_unsent_bytes` at the end of a turn is closed.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from netd.runtime.errnos import CONNECTION_LOST, describe
from netd.runtime.loop import Loop, Timer
from netd.runtime.poller import READ, WRITE

_CHUNK_BYTES: Final = 16384  # to be handled in a fraction of a millisecond
_LINGER_S: Final = 1.0  # for a peer that is sending when the stream ends


@dataclass(frozen=True, slots=True)
class StreamState:
    """The state of a stream at the end of a turn, with which another process can continue it."""

    unsent: bytes = b""
    is_reading: bool = True
    """False after the peer's end-of-file, and after `finish`."""
    closing: str | None = None
    """The reason, once `finish` was called."""


class Stream:
    """Reads and writes a socket; the owner gets callbacks.

    `on_data(data)` is called for each piece of data, `on_end()` at the peer's end-of-file, after
    which the stream can still write, and `on_closed(reason)` exactly once, when the socket has
    been closed.
    """

    __slots__ = (
        "_closing",
        "_fd",
        "_is_flush_deferred",
        "_is_paused",
        "_linger",
        "_loop",
        "_on_closed",
        "_on_data",
        "_on_drained",
        "_on_end",
        "_reading",
        "_unsent",
        "bytes_in",
        "bytes_out",
        "has_overflowed",
        "max_unsent_bytes",
        "sock",
        "unsent_bytes",
    )

    def __init__(  # noqa: PLR0913 (its three callbacks are its interface)
        self,
        loop: Loop,
        sock: socket.socket,
        *,
        on_data: Callable[[bytes], object],
        on_end: Callable[[], object],
        on_closed: Callable[[str], object],
        max_unsent_bytes: int,
    ) -> None:
        """Take over a connected socket. Raises PollerFullError."""
        sock.setblocking(False)
        self.sock = sock
        self._fd = sock.fileno()
        self._loop = loop
        self._on_data, self._on_end, self._on_closed = on_data, on_end, on_closed
        self.max_unsent_bytes = max_unsent_bytes
        self._unsent: list[bytes] = []
        self._reading = True
        self._is_flush_deferred = self._is_paused = False
        self._on_drained: Callable[[], object] | None = None
        self._closing: str | None = None  # the reason, once `finish` was called
        self._linger: Timer | None = None  # until the peer has to have closed, too
        self.has_overflowed = False
        """True if the stream was closed because of `max_unsent_bytes`."""
        self.unsent_bytes = self.bytes_in = self.bytes_out = 0
        loop.watch(self._fd, READ, self._on_ready)

    @property
    def is_open(self) -> bool:
        """True until the socket is closed."""
        return self._fd >= 0

    @property
    def accepts_writes(self) -> bool:
        """True until `finish` or `close` is called."""
        return self._closing is None and self._fd >= 0

    def write(self, data: bytes) -> None:
        """Queue bytes for the end of this turn; ignored once `accepts_writes` is false."""
        if self._closing is not None or self._fd < 0:
            return
        self._unsent.append(data)
        self.unsent_bytes += len(data)
        if not self._is_flush_deferred:
            self._is_flush_deferred = True
            self._loop.defer_output(self._flush)

    def flush(self) -> None:
        """Send the queued bytes now, before the end of the turn."""
        if self._is_flush_deferred:
            self._flush()

    def send(self, data: bytes) -> None:
        """Write at once if nothing is queued, else queue the bytes.

        Makes no callback, not even if the connection is lost: `on_closed` is deferred.
        """
        sent = 0
        if not self._unsent and self._closing is None and self._fd >= 0:
            try:
                sent = self.sock.send(data)
            except BlockingIOError:
                pass
            except OSError as error:
                self._loop.defer(partial(self.close, _reason(error)))
                return
            self.bytes_out += sent
        if sent < len(data):
            self.write(data[sent:])

    def pause(self) -> None:
        """Read no more until `resume` is called."""
        self._is_paused = True
        self._watch()

    def resume(self) -> None:
        """Read again."""
        self._is_paused = False
        self._watch()

    def when_drained(self, callback: Callable[[], object]) -> None:
        """Call once, when all queued bytes have been sent; never if the stream closes before."""
        self._on_drained = callback

    def fingerprint(self) -> str:
        """Empty: only a peer under TLS can have a certificate (TlsStream)."""
        return ""

    def finish(self, reason: str) -> None:
        """Close when all queued bytes have been sent, so that the peer gets them all.

        A peer that is sending is given a second to close its side.
        """
        if self._closing is None:
            self._closing = reason
            self._reading = False
            self._loop.defer(self._flush)

    def state(self) -> StreamState:
        """The state that `restore` gives another stream; not `pause` and `when_drained`."""
        return StreamState(b"".join(self._unsent), self._reading, self._closing)

    def restore(self, state: StreamState) -> None:
        """Continue a stream of another process; to be called on a new stream.

        Its unsent bytes are sent even if they are more than `max_unsent_bytes`.
        """
        self._unsent = [state.unsent] if state.unsent else []
        self.unsent_bytes = len(state.unsent)
        self.max_unsent_bytes = max(self.max_unsent_bytes, self.unsent_bytes)
        self._reading, self._closing = state.is_reading, state.closing
        self._watch()
        self._is_flush_deferred = True
        self._loop.defer(self._flush)

    def close(self, reason: str) -> None:
        """Close now; unsent bytes are lost."""
        if self._fd < 0:
            return
        self._loop.unwatch(self._fd)
        self._fd = -1
        if self._linger is not None:
            self._linger.cancel()
        self.sock.close()
        self._unsent.clear()
        on_closed = self._on_closed
        # The owner has a reference to this stream: without the callbacks they are no cycle.
        self._on_data = self._on_end = self._on_closed = ignore
        self._on_drained = None
        on_closed(reason)

    def _on_ready(self, mask: int) -> None:
        if mask & WRITE:
            self._flush()
        if mask & ~WRITE and self._fd >= 0:
            self._read()

    def _read(self) -> None:
        try:
            data = self.sock.recv(_CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self.close(_reason(error))
            return
        self.bytes_in += len(data)
        if data:
            if self._reading:
                self._on_data(data)
        elif self._reading:
            self._reading = False
            self._watch()
            self._on_end()
        else:
            self.close(self._closing or "connection closed by peer")

    def _flush(self) -> None:
        self._is_flush_deferred = False
        if self._fd < 0:
            return
        if self._unsent and not self._send():
            return
        if not self._unsent and self._closing is not None:
            self._end(self._closing)
        elif self.unsent_bytes > self.max_unsent_bytes:
            self.has_overflowed = True
            self.close("output queue exceeded")
        else:
            self._watch()

    def _end(self, reason: str) -> None:
        """Close; a peer that is sending gets the end-of-file first, and its bytes are discarded.

        If there are unread bytes, close(2) sends a reset in place of the last bytes (RFC 2525
        section 2.17).
        """
        if self._linger is not None:
            return
        if not self._discard_input():
            self.close(reason)
            return
        with contextlib.suppress(OSError):  # the peer has closed meanwhile
            self.sock.shutdown(socket.SHUT_WR)
        self._linger = self._loop.call_later(_LINGER_S, partial(self.close, reason))
        self._watch()

    def _discard_input(self) -> bool:
        """Discard what has arrived; return whether there was something, and not the end."""
        try:
            return bool(self.sock.recv(_CHUNK_BYTES))
        except OSError:  # nothing has arrived, or the connection is lost
            return False

    def _send(self) -> bool:
        data = b"".join(self._unsent)
        try:
            sent = self.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self.close(_reason(error))
            return False
        self.bytes_out += sent
        self.unsent_bytes -= sent
        self._unsent = [data[sent:]] if sent < len(data) else []
        if self._on_drained is not None and not self._unsent:
            on_drained, self._on_drained = self._on_drained, None
            self._loop.call_next_turn(on_drained)
        return True

    def _watch(self) -> None:
        is_reading = self._reading and not self._is_paused
        mask = READ if is_reading or self._linger is not None else 0
        self._loop.modify(self._fd, mask | WRITE if self._unsent else mask)


def ignore(*_: object) -> None:
    """Do nothing: the callbacks of a closed stream."""


def _reason(error: OSError) -> str:
    if error.errno in CONNECTION_LOST:
        return describe(error)
    raise error
