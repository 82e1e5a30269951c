"""Passes the requests of scripts on to chat workers, and reads the replies.

A chat worker that ends, or is replaced, closes the sockets of requests without a reply. These are
sent again: the next worker finds them in its queue, and by its key a message that was posted.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from functools import partial
from typing import Final

from netd.errors import LocalProtocolError, RemoteProtocolError
from netd.listeners.http.connection.handoff_sender import HandoffSender
from netd.protocols.handoff import Handoff
from netd.protocols.hook import MAX_REPLY_BYTES, HookReply, HookRequest, format_request, parse_reply
from netd.runtime.errnos import OUT_OF_RESOURCES
from netd.runtime.loop import Loop
from netd.runtime.poller import READ

_TIMEOUT_S: Final = 15.0
_REPEAT_S: Final = 0.5
_MAX_UNDER_WAY: Final = 100  # of a worker: the queue must have room for other connections
_READ_BYTES: Final = 65536
_BUFFER_BYTES: Final = 2 * MAX_REPLY_BYTES
_UNREACHED: Final = HookReply(503, "the chat is busy or being restarted", 5)
_LATE: Final = HookReply(503, "the chat does not reply", 10)
_TOO_LONG: Final = HookReply(413, "the text is too long")

OnReply = Callable[[HookReply], object]


class HookCaller:
    """Calls back with the outcome of each request, in a later turn."""

    def __init__(self, loop: Loop, handoffs: HandoffSender) -> None:
        self._loop = loop
        self._handoffs = handoffs
        self._under_way = 0

    def call(self, listener: str, request: HookRequest, on_reply: OnReply) -> None:
        """Pass a request on to a chat listener."""
        if self._under_way >= _MAX_UNDER_WAY:
            self._handoffs.refused += 1
            self._loop.call_next_turn(lambda: on_reply(_UNREACHED))
            return

        def on_end(reply: HookReply) -> None:
            self._under_way -= 1
            on_reply(reply)

        self._under_way += 1
        _Call(self._loop, partial(self._send, listener, request), on_end).start()

    def _send(self, listener: str, request: HookRequest) -> socket.socket | HookReply:
        """Send a request; return the socket for its reply, or why it cannot be sent."""
        record = Handoff(
            host="",
            is_secure=False,
            user="",
            is_relayed=False,
            received=format_request(request),
            is_hook=True,
        )
        try:
            near, far = socket.socketpair()
        except OSError as error:
            if error.errno not in OUT_OF_RESOURCES:
                raise
            return _UNREACHED
        far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        with far:
            try:
                if self._handoffs.send(listener, record, far.fileno()):
                    return near
            except LocalProtocolError:
                near.close()
                return _TOO_LONG
        near.close()
        return _UNREACHED


class _Call:
    """A request whose reply is awaited. A chat worker ignores it once its socket is closed."""

    def __init__(
        self, loop: Loop, send: Callable[[], socket.socket | HookReply], on_reply: OnReply
    ) -> None:
        self._loop, self._send, self._on_reply = loop, send, on_reply
        self._received = bytearray()
        self._near: socket.socket | None = None
        self._timer = loop.call_later(_TIMEOUT_S, lambda: self._end(_LATE))

    def start(self) -> None:
        """Send the request, the first time or once more."""
        sent = self._send()
        if isinstance(sent, HookReply):
            self._timer.cancel()
            self._loop.call_next_turn(partial(self._on_reply, sent))
            return
        sent.setblocking(False)
        self._near = sent
        self._received.clear()
        self._loop.watch(sent.fileno(), READ, self._on_ready)

    def _on_ready(self, _mask: int) -> None:
        assert self._near is not None
        try:
            data = self._near.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.ECONNRESET:
                raise
            data = b""
        self._received += data
        if not data:
            self._on_end()

    def _on_end(self) -> None:
        try:
            reply = parse_reply(bytes(self._received))
        except RemoteProtocolError:
            self._close()
            self._loop.call_later(_REPEAT_S, self._repeat)
        else:
            self._end(reply)

    def _repeat(self) -> None:
        if self._timer.is_live:  # else the time is over, and the reply was given
            self.start()

    def _end(self, reply: HookReply) -> None:
        self._timer.cancel()
        self._close()
        self._on_reply(reply)

    def _close(self) -> None:
        if self._near is not None:
            self._loop.unwatch(self._near.fileno())
            self._near.close()
            self._near = None
