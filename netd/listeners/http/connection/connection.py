"""One client's connection: reads requests, sends responses, and keeps the deadline.

The class does not use runtime.stream, which reads on while it sends and sends at the end of the
turn. Here a cached response leaves in the same call that read its request, files are sent with
sendfile(2), and nothing is read while the peer does not receive its responses. A request whose
response is cached is served by `on_ready` alone: recv, look-up, send.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from netd.errors import LocalProtocolError
from netd.listeners.http.connection.client_socket import ClientSocket
from netd.listeners.http.connection.connection_state import (
    TIMEOUT_STATUS,
    ConnectionState,
    SavedConnection,
)
from netd.listeners.http.connection.descriptor_table import DescriptorTable
from netd.listeners.http.connection.exchange import Exchange
from netd.listeners.http.connection.transport import Transport
from netd.listeners.http.protocol.response import HandoffTarget, Part, error_response
from netd.listeners.http.response.responder import Responder
from netd.listeners.http.response.response_cache import CachedResponse
from netd.protocols.handoff import Handoff
from netd.runtime.loop import LONG_TURN_S, Loop
from netd.runtime.poller import READ

UNUSED_TIMEOUT_S: Final = 1.0
"""How long a stopping worker waits for the first byte on a connection."""

# Clients that pipeline hundreds of requests must not delay the others: a connection responds for a
# slice of time, and continues at the end of the turn, after the other connections in its queue.
# In a long turn (LONG_TURN_S), only responses from the cache are sent at once.
_SLICE_S: Final = 0.0002
_READ_BYTES: Final = 16384
_RETRY_AFTER: Final = ("Retry-After", "5")  # seconds: the chat worker is being replaced, or busy
_IDLE: Final = ConnectionState.IDLE  # looking a member up in its class takes ten times as long


class Owner(Protocol):
    """The part of the service that its connections use."""

    loop: Loop
    responder: Responder

    def on_closed(self, connection: Connection) -> None:
        """Called exactly once, when the socket is closed, or is no longer this connection's."""

    def hand_off(self, connection: Connection, fd: int, transport: Transport) -> bool:
        """Hand off a connection to the listener in its exchange; False if it has no room.

        The descriptor and the transport then belong to the owner. Raises LocalProtocolError if the
        request is too long for it.
        """


class Connection(ClientSocket):
    """Reads requests and responds to them in order."""

    __slots__ = ("_closes", "_exchange", "_is_unused", "_owner", "_waits_for_slice",
                 "has_secure_proxy", "host")  # fmt: skip

    def __init__(
        self,
        owner: Owner,
        fd: int,
        transport: Transport,
        host: str,
        *,
        has_secure_proxy: bool = False,
    ) -> None:
        """`has_secure_proxy` if the client speaks TLS with a trusted proxy (PROXY protocol)."""
        super().__init__(owner.loop, owner.responder, fd, transport)
        self._owner = owner
        self.host = host
        self.has_secure_proxy = has_secure_proxy
        self._is_unused = True  # until the first byte from the peer
        self._exchange: Exchange | None = None
        self._closes = False
        self._waits_for_slice = False

    @property
    def is_deferred(self) -> bool:
        """Whether a response is being made."""
        return self._exchange is not None and self._exchange.is_deferred

    def save(self, table: DescriptorTable) -> SavedConnection:
        """Describe the connection for another process; its descriptors go into `table`."""
        return SavedConnection(
            descriptor=table.position_of(self._fd),
            host=self.host,
            has_secure_proxy=self.has_secure_proxy,
            # The other process continues once the socket is writable.
            state=ConnectionState.SENDING if self._waits_for_slice else self._state,
            deadline=self.deadline,
            is_unused=self._is_unused,
            closes=self._closes,
            exchange=None if self._exchange is None else self._exchange.save(),
            unsent=() if self._send_queue is None else self._send_queue.save(table),
        )

    def take_over(self, saved: SavedConnection, unsent: Sequence[Part]) -> None:
        """Start as another process has left off, with the parts that it has not sent."""
        self._state, self.deadline = saved.state, saved.deadline
        self._is_unused, self._closes = saved.is_unused, saved.closes
        for part in unsent:
            self._queue(part)
        if saved.exchange is not None:
            self._start_exchange().load(saved.exchange)
        self._watch()
        if self._send_queue is not None or self._state is ConnectionState.DEFERRED:
            self._process()

    def start(self) -> None:
        """Start serving; bytes that have arrived already are read at once."""
        if not self._handshake():
            return
        self.on_ready(READ)
        if self._state is not ConnectionState.CLOSED:
            self._watch()

    def on_ready(self, _mask: int) -> None:
        """Receive or send; the loop calls this when the socket is ready."""
        if self._state is not _IDLE and not self._is_readable():
            return
        try:
            data = self._recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._on_error(error)
            return
        responder = self._responder
        responder.bytes_in += len(data)
        if self._state is not _IDLE:
            self._receive(data)
        elif cached := responder.lookup(data) or responder.lookup_private(self.host, data):
            self._send_cached(cached, data)
        else:
            self._receive(data, is_looked_up=True)

    def _is_readable(self) -> bool:
        """Whether to read now; in states that wait for something else, handle the event."""
        if self._waits_for_slice:
            return False
        if self._state is ConnectionState.SENDING:
            self._process_in_turn()
            return False
        if self._state is ConnectionState.DEFERRED:
            self.close()  # the mask is 0: the event can only be a hang-up
            return False
        return self._state is not ConnectionState.HANDSHAKE or self._handshake_in_turn()

    def _refuse_plain(self, transport: Transport) -> None:
        """Respond to a request without TLS, so that a person who forgot https sees why."""
        self._responder.handshake_failures += 1
        self._use(transport)
        try:
            self._recv(_READ_BYTES)  # a close would reset the connection if the request is unread
        except OSError as error:
            self._on_error(error)
            return
        self._state = ConnectionState.HEAD
        self._start_exchange().refuse(400, "a request without TLS")
        self._process()

    def _send_cached(self, cached: CachedResponse, head: bytes) -> None:
        try:
            sent = self._send(cached.wire)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._on_error(error)
            return
        responder = self._responder
        responder.requests += 1
        cached.tally[0] += 1
        responder.bytes_out += sent
        if responder.access_log is not None:
            responder.log_cached(self.host, head, cached)
        self._is_unused = False
        if sent < len(cached.wire):
            self._closes = cached.close
            self._queue(cached.wire[sent:])
            self._process()
        elif cached.close:
            self._end()
        else:
            self.deadline = self._loop.now + responder.options.keepalive_timeout

    def on_deadline(self) -> None:
        """Handle a deadline that has passed: respond with a time-out, or close."""
        if self._state in TIMEOUT_STATUS and self._exchange is not None:
            self._responder.timeouts += 1
            self._exchange.refuse(TIMEOUT_STATUS[self._state], "it did not arrive in time")
            self._process()
        elif self._state is ConnectionState.IDLE:
            self._end()
        elif self._send_queue is not None and (count := self._send_queue.received()):
            self._extend_deadline(count, self._responder.options.send_timeout)
        else:
            self._responder.timeouts += self._state in (
                ConnectionState.SENDING,
                ConnectionState.HANDSHAKE,
            )
            if self._state is ConnectionState.SENDING:
                self._transport.discard_unsent()
            self.close()

    def close_if_idle(self) -> None:
        """Close unless a request is being served or has arrived; the worker is stopping.

        A connection that was never used is given a moment for its first request.
        """
        if self._state is ConnectionState.IDLE:
            self.on_ready(READ)
        if self._state is ConnectionState.IDLE:
            if self._is_unused:
                self.deadline = min(self.deadline, self._loop.now + UNUSED_TIMEOUT_S)
            else:
                self._end()

    def idle_since(self) -> float | None:
        """The time since when the connection has waited for a request; None if it does not."""
        if self._state is not _IDLE:
            return None
        options = self._responder.options
        timeout_s = options.header_timeout if self._is_unused else options.keepalive_timeout
        return self.deadline - timeout_s

    def give_way(self) -> None:
        """Close, unless a request has arrived: the listener needs room for new connections."""
        if self._state is _IDLE:
            self.on_ready(READ)
        if self._state is _IDLE:
            self._end()

    def close(self) -> None:
        """Close now; unsent bytes are lost."""
        if self._state is ConnectionState.CLOSED:
            return
        if self._exchange is not None:
            self._exchange.abandon()
            self._exchange = None
        super().close()
        self._owner.on_closed(self)

    def _receive(self, data: bytes, *, is_looked_up: bool = False) -> None:
        """Handle received bytes; empty at end of file.

        With `is_looked_up`, the cache has no response for exactly these bytes.
        """
        if not data:
            self._on_end_of_file()
            return
        if self._state is ConnectionState.LINGERING:
            return
        self._is_unused = False
        exchange = self._exchange or self._start_exchange()
        exchange.receive(data, is_looked_up=is_looked_up)
        if self._state is ConnectionState.IDLE:
            self._state = ConnectionState.HEAD
            self.deadline = self._loop.now + self._responder.options.header_timeout
        elif self._state is ConnectionState.BODY:
            self._extend_deadline(len(data), self._responder.options.body_timeout)
        self._process_in_turn()

    def _start_exchange(self) -> Exchange:
        self._exchange = Exchange(self._responder, self.host, self._queue, self._on_response)
        return self._exchange

    def _on_end_of_file(self) -> None:
        is_in_request = self._state in (ConnectionState.HEAD, ConnectionState.BODY)
        if is_in_request and self._exchange is not None:
            self._exchange.refuse(400, "it ends before it is complete")
            self._process()
        else:
            self.close()

    def _on_response(self) -> None:
        """Continue after a deferred response was queued."""
        if self._state is ConnectionState.DEFERRED:
            self._process()

    def _process_in_turn(self) -> None:
        """Respond and send now, or later if this turn has taken long already."""
        if self._loop.elapsed_s() > LONG_TURN_S:
            self._await_slice()
        else:
            self._process()

    def _process(self) -> None:
        """Respond and send until nothing more can be done now, or the slice of time is over."""
        end_s = self._loop.time() + _SLICE_S
        while self._state is not ConnectionState.CLOSED:
            has_more = self._respond(end_s)
            if not self._send_queued():
                return
            if self._exchange is not None and self._exchange.handoff is not None:
                if self._hand_off(self._exchange):
                    return
                continue
            if self._closes:
                self._end()
                return
            if not has_more:
                break
            if self._loop.time() > end_s:
                self._state = ConnectionState.SENDING
                self.deadline = self._loop.now + self._responder.options.send_timeout
                self._await_slice()
                return
        self._await_more()

    def _await_slice(self) -> None:
        self._waits_for_slice = True
        self._loop.defer_output(self._use_slice)

    def _use_slice(self) -> None:
        self._waits_for_slice = False
        if self._state is not ConnectionState.CLOSED:
            self._process()

    def _respond(self, end_s: float) -> bool:
        """Queue responses to received requests, until `end_s`. Returns False if none is left."""
        exchange = self._exchange
        if exchange is None:
            return False
        responses, has_more = exchange.responses, True
        while has_more and not self._is_full():
            has_more = exchange.step(end_s)
            if exchange.responses != responses and exchange.began_s > end_s:
                break
        if exchange.responses != responses and self._state is not ConnectionState.SENDING:
            # The next request's head and body have deadlines of their own.
            self._state = ConnectionState.IDLE
        self._closes = exchange.closes
        return has_more and not exchange.is_over

    def describe_handoff(self) -> tuple[HandoffTarget, Handoff]:
        """The listener that gets this connection, and the record for it."""
        assert self._exchange is not None
        assert self._exchange.handoff is not None
        record = self._exchange.describe_handoff(is_secure=self.is_tls or self.has_secure_proxy)
        return self._exchange.handoff, record

    def _hand_off(self, exchange: Exchange) -> bool:
        """Let another listener have the connection; if it cannot, queue the reason."""
        target = exchange.handoff
        assert target is not None
        self._unwatch()
        try:
            is_handed_off = self._owner.hand_off(self, self._fd, self._transport)
        except LocalProtocolError:
            exchange.refuse_handoff(error_response(431))
            return False
        if not is_handed_off:
            exchange.refuse_handoff(error_response(503, _RETRY_AFTER))
            return False
        self._responder.count_handoff(self.host, exchange.head, target)
        self._state = ConnectionState.CLOSED
        self._exchange = None
        self._owner.on_closed(self)
        return True

    def _await_more(self) -> None:
        """Wait for the next event: nothing more can be sent now."""
        state, timeout_s = self._next_state()
        if state is ConnectionState.IDLE or state is not self._state:
            self._state = state
            self.deadline = self._loop.now + timeout_s
        self._watch()
        if self._responder.closes_idle:
            self.close_if_idle()

    def _next_state(self) -> tuple[ConnectionState, float]:
        exchange, options = self._exchange, self._responder.options
        if exchange is None or exchange.is_over:
            self._exchange = None
            return ConnectionState.IDLE, options.keepalive_timeout
        if exchange.is_deferred:
            return ConnectionState.DEFERRED, options.send_timeout
        if exchange.is_in_head:
            return ConnectionState.HEAD, options.header_timeout
        return ConnectionState.BODY, options.body_timeout

    def _end(self) -> None:
        """End the connection after the last response."""
        self._shut_down(is_quiet=self._exchange is None or self._exchange.is_over)
