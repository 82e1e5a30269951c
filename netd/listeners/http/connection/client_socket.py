"""The socket of a client's connection: its state, its deadline, and the parts to send.

`connection` decides what is read and sent; this class waits for the socket, and ends it.
"""

from __future__ import annotations

from typing import Final

from netd.listeners.http.connection.connection_state import EVENTS, ConnectionState
from netd.listeners.http.connection.send_queue import SendQueue, TruncatedError
from netd.listeners.http.connection.transport import PlainRequestError, Transport
from netd.listeners.http.protocol.response import Part
from netd.listeners.http.response.responder import Responder
from netd.runtime.errnos import CONNECTION_LOST
from netd.runtime.loop import LONG_TURN_S, Loop
from netd.runtime.poller import READ

_MAX_QUEUED_BYTES: Final = 262144  # of pipelined responses, before the next request is read
_LINGER_S: Final = 2.0  # for the peer to receive a response that came before its request's end


class ClientSocket:
    """Waits for a socket to be readable or writable, and sends what is queued."""

    __slots__ = (
        *("_fd", "_loop", "_recv", "_responder", "_send", "_send_queue", "_state"),
        *("_transport", "_watched", "deadline"),
    )

    def __init__(self, loop: Loop, responder: Responder, fd: int, transport: Transport) -> None:
        self._loop, self._responder = loop, responder
        self._fd = fd
        self._use(transport)
        self._state = ConnectionState.IDLE
        self._send_queue: SendQueue | None = None
        self._watched: int | None = None
        self.deadline = loop.now + responder.options.header_timeout

    @property
    def is_tls(self) -> bool:
        """Whether the connection is encrypted, so that no other process can continue with it."""
        return self._transport.is_encrypted

    def on_ready(self, mask: int) -> None:
        """Receive or send; the loop calls this when the socket is ready."""
        raise NotImplementedError

    def close(self) -> None:
        """Close now; unsent bytes are lost."""
        self._state = ConnectionState.CLOSED
        self._unwatch()
        if self._send_queue is not None:
            self._send_queue.close()
        self._transport.close()

    def _use(self, transport: Transport) -> None:
        self._transport = transport
        self._recv, self._send = transport.recv, transport.send

    def _refuse_plain(self, transport: Transport) -> None:
        """Handle a request without TLS; called instead of the rest of a handshake."""
        raise NotImplementedError

    def _handshake(self) -> bool:
        """Continue the handshake. Returns True once it is complete."""
        try:
            mask = self._transport.handshake()
        except PlainRequestError as error:
            self._refuse_plain(error.transport)
            return False
        except OSError as error:
            self._responder.handshake_failures += 1
            self._on_error(error)
            return False
        if mask:
            self._state = ConnectionState.HANDSHAKE
            self._watch(mask)
            return False
        if self._state is ConnectionState.HANDSHAKE:
            self._state = ConnectionState.IDLE
            self._watch()
        return True

    def _handshake_in_turn(self) -> bool:
        """Continue the handshake now, or later if this turn has taken long already.

        A handshake takes as long as fifty cached responses, and after a restart many come at once.
        """
        if self._loop.elapsed_s() <= LONG_TURN_S:
            return self._handshake()
        self._watch(0)
        self._loop.defer_output(self._handshake_later)
        return False

    def _handshake_later(self) -> None:
        if self._state is ConnectionState.HANDSHAKE:  # it can have been closed meanwhile
            self._handshake()

    def _is_full(self) -> bool:
        return self._send_queue is not None and self._send_queue.is_full(_MAX_QUEUED_BYTES)

    def _queue(self, part: Part) -> None:
        if self._send_queue is None:
            self._send_queue = SendQueue(self._transport)
        self._send_queue.append(part)

    def _send_queued(self) -> bool:
        """Send the queue. Returns False if a part of it is left or the connection is closed."""
        queue = self._send_queue
        if queue is None:
            return True
        before = queue.sent_bytes
        try:
            queue.send()
        except BlockingIOError:
            pass
        except TruncatedError:
            self._responder.truncated += 1
            self.close()  # only this shows the peer that the content is incomplete
            return False
        except OSError as error:
            self._on_error(error)
            return False
        sent = queue.sent_bytes - before
        self._responder.bytes_out += sent
        if not queue:
            self._send_queue = None
            return True
        self._await_writable(queue, sent)
        return False

    def _await_writable(self, queue: SendQueue, sent: int) -> None:
        timeout_s = self._responder.options.send_timeout
        queue.mark()
        if self._state is not ConnectionState.SENDING:
            self._state = ConnectionState.SENDING
            self.deadline = self._loop.now + timeout_s
        else:
            self._extend_deadline(sent, timeout_s)
        self._watch()

    def _extend_deadline(self, count: int, timeout_s: float) -> None:
        """Add the time that `count` bytes take at `min_rate`, up to `timeout_s` from now."""
        extended = self.deadline + count / self._responder.options.min_rate
        self.deadline = min(extended, self._loop.now + timeout_s)

    def _shut_down(self, *, is_quiet: bool) -> None:
        """End the connection after the last response; `is_quiet` if the peer has sent all.

        If the peer may still be sending, only our side is shut down and what arrives is
        discarded. A close would reset the connection, and the peer could lose the response
        (RFC 9112 section 9.6).
        """
        if is_quiet and not self._transport.has_close_notify:
            self.close()
            return
        try:
            self._transport.shutdown()
        except OSError as error:
            self._on_error(error)
            return
        if is_quiet:
            self.close()
            return
        self._state = ConnectionState.LINGERING
        self.deadline = self._loop.now + _LINGER_S
        self._watch()

    def _watch(self, mask: int = -1) -> None:
        mask = EVENTS.get(self._state, READ) if mask < 0 else mask
        if self._watched is None:
            self._loop.watch(self._fd, mask, self.on_ready)
        elif mask != self._watched:
            self._loop.modify(self._fd, mask)
        self._watched = mask

    def _unwatch(self) -> None:
        if self._watched is not None:
            self._loop.unwatch(self._fd)
            self._watched = None

    def _on_error(self, error: OSError) -> None:
        if error.errno not in CONNECTION_LOST:
            raise error
        self.close()
