"""One client's connection: what has come, what is to be sent, and how long it may take.

It does not stand on runtime.stream: that gathers output to the turn's end and reads on while
it sends, where here an answer that is ready goes out in the same call that read its request,
files go by sendfile, and nothing is read while a peer does not take what it asked for. The
way of a request the table knows is `on_ready` alone: recv, look-up, send.
"""

from __future__ import annotations

from typing import Final, Protocol

from netd.listeners.http.connection.exchange import Exchange
from netd.listeners.http.connection.send_queue import SendQueue, TruncatedError
from netd.listeners.http.connection.state import MASKS, REFUSALS, ConnectionState
from netd.listeners.http.connection.transport import Transport
from netd.listeners.http.response.responder import Responder
from netd.listeners.http.response.response import CachedResponse, Part
from netd.runtime.errnos import CONNECTION_LOST
from netd.runtime.loop import Loop
from netd.runtime.poller import READ

_IDLE: Final = ConnectionState.IDLE  # a member by its class takes ten times as long to look up
_READ_BYTES: Final = 16384
_OUTPUT_BYTES: Final = 262144  # pipelined answers gathered before the next request is looked at
_LINGER_S: Final = 2.0  # how long a peer may take to read an answer it did not wait for
FRESH_S: Final = 1.0  # how long a connection that never spoke is waited for at a stop


class Owner(Protocol):
    """Who keeps the connections."""

    loop: Loop
    server: Responder

    def on_closed(self, connection: Connection) -> None:
        """Called exactly once, when the socket is closed."""


class Connection:
    """Reads requests and answers them in order."""

    __slots__ = (
        *("_ends", "_exchange", "_fd", "_loop", "_output", "_owner", "_recv", "_send", "_server"),
        *("_stage", "_transport", "_watching", "deadline", "host", "is_fresh"),
    )

    def __init__(self, owner: Owner, fd: int, transport: Transport, host: str) -> None:
        self._owner, self._loop, self._server = owner, owner.loop, owner.server
        self._fd = fd
        self._transport = transport
        self._recv, self._send = transport.recv, transport.send
        self.host = host
        self.is_fresh = True
        """True until the peer has sent something."""
        self._stage = ConnectionState.IDLE
        self._exchange: Exchange | None = None
        self._output: SendQueue | None = None
        self._ends = False
        self._watching: int | None = None
        self.deadline = self._loop.now + self._server.options.header_timeout

    def start(self) -> None:
        """Serve; what has come with the connection is read at once."""
        if not self._shake_hands():
            return
        self.on_ready(READ)
        if self._stage is not ConnectionState.CLOSED:
            self._watch()

    def on_ready(self, _mask: int) -> None:
        """Take what has come, or send on; the loop's callback."""
        if self._stage is not _IDLE and not self._is_readable():
            return
        try:
            data = self._recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(error)
            return
        server = self._server
        server.bytes_in += len(data)
        if self._stage is _IDLE and (ready := server.lookup(data)) is not None:
            self._send_ready(ready, data)
        elif data:
            self._take(data)
        else:
            self._take_end()

    def _is_readable(self) -> bool:
        """Whether something is to be read; else what was waited for is seen to."""
        if self._stage is ConnectionState.SENDING:
            self._run()
            return False
        if self._stage is ConnectionState.WORKING:
            self.close()  # nothing was asked for, so the peer is gone
            return False
        return self._stage is not ConnectionState.HANDSHAKE or self._shake_hands()

    def _shake_hands(self) -> bool:
        """Whether the connection is ready for requests; else what it waits for is watched."""
        try:
            mask = self._transport.shake_hands()
        except OSError as error:
            self._server.handshake_failures += 1
            self._lose(error)
            return False
        if mask:
            self._stage = ConnectionState.HANDSHAKE
            self._watch(mask)
            return False
        if self._stage is ConnectionState.HANDSHAKE:
            self._stage = ConnectionState.IDLE
            self._watch()
        return True

    def _send_ready(self, ready: CachedResponse, head: bytes) -> None:
        try:
            sent = self._send(ready.wire)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._lose(error)
            return
        server = self._server
        server.requests += 1
        server.bytes_out += sent
        if server.access_log is not None:
            server.note(self.host, head, ready.wire)
        self.is_fresh = False
        if sent == len(ready.wire) and not ready.close:
            self.deadline = self._loop.now + server.options.keepalive_timeout
            return
        self._ends = ready.close
        if sent < len(ready.wire):
            self._queue(ready.wire[sent:])
        self._run()

    def expire(self) -> None:
        """The deadline has passed."""
        if self._stage in REFUSALS and self._exchange is not None:
            self._server.timeouts += 1
            self._exchange.refuse(REFUSALS[self._stage])
            self._run()
        elif self._stage is ConnectionState.IDLE:
            self._finish()
        else:
            self._server.timeouts += self._stage in (
                ConnectionState.SENDING,
                ConnectionState.HANDSHAKE,
            )
            if self._stage is ConnectionState.SENDING:
                self._transport.abort()
            self.close()

    def wind_up(self) -> None:
        """The daemon stops: close unless a request is under way or has come."""
        if self._stage is ConnectionState.IDLE:
            self.on_ready(READ)
        if self._stage is ConnectionState.IDLE:
            if self.is_fresh:
                self.deadline = min(self.deadline, self._loop.now + FRESH_S)
            else:
                self._finish()

    def close(self) -> None:
        """Close now; what was not sent is lost."""
        if self._stage is ConnectionState.CLOSED:
            return
        self._stage = ConnectionState.CLOSED
        if self._watching is not None:
            self._loop.unwatch(self._fd)
        if self._exchange is not None:
            self._exchange.abandon()
            self._exchange = None
        if self._output is not None:
            self._output.close()
        self._transport.close()
        self._owner.on_closed(self)

    def _take(self, data: bytes) -> None:
        if self._stage is ConnectionState.LINGERING:
            return
        self.is_fresh = False
        if self._exchange is None:
            self._exchange = Exchange(self._server, self.host, self._queue, self._on_made)
        self._exchange.receive(data)
        if self._stage is ConnectionState.IDLE:
            self._stage = ConnectionState.HEAD
            self.deadline = self._loop.now + self._server.options.header_timeout
        elif self._stage is ConnectionState.BODY:
            self._grant(len(data), self._server.options.body_timeout)
        self._run()

    def _take_end(self) -> None:
        if (
            self._stage in (ConnectionState.HEAD, ConnectionState.BODY)
            and self._exchange is not None
        ):
            self._exchange.refuse(400)
            self._run()
        else:
            self.close()

    def _on_made(self) -> None:
        if self._stage is ConnectionState.WORKING:
            self._run()

    def _run(self) -> None:
        """Answer and send until there is nothing more to do now."""
        while self._stage is not ConnectionState.CLOSED:
            has_more = self._answer_some()
            if not self._send_some():
                return
            if self._ends:
                self._finish()
                return
            if not has_more:
                break
        self._settle()

    def _answer_some(self) -> bool:
        """Queue answers to what has come; False once all of it is answered."""
        exchange = self._exchange
        if exchange is None:
            return False
        answered, has_more = exchange.answered, True
        while has_more and not self._is_full():
            has_more = exchange.step()
        if exchange.answered != answered and self._stage is not ConnectionState.SENDING:
            self._stage = (
                ConnectionState.IDLE
            )  # a next request's head and body have deadlines of their own
        self._ends = exchange.ends
        return has_more

    def _is_full(self) -> bool:
        return self._output is not None and self._output.is_full(_OUTPUT_BYTES)

    def _queue(self, part: Part) -> None:
        if self._output is None:
            self._output = SendQueue(self._transport)
        self._output.append(part)

    def _send_some(self) -> bool:
        """Send what is queued; False if some of it must wait or the peer is gone."""
        output = self._output
        if output is None:
            return True
        before = output.sent_bytes
        try:
            output.send()
        except BlockingIOError:
            pass
        except TruncatedError:
            self._server.truncated += 1
            self.close()  # the one way to say that the content is not whole
            return False
        except OSError as error:
            self._lose(error)
            return False
        self._server.bytes_out += output.sent_bytes - before
        if not output:
            self._output = None
            return True
        self._wait_to_send(output.sent_bytes - before)
        return False

    def _wait_to_send(self, sent: int) -> None:
        allowed = self._server.options.send_timeout
        if self._stage is not ConnectionState.SENDING:
            self._stage = ConnectionState.SENDING
            self.deadline = self._loop.now + allowed
            self._watch()
        else:
            self._grant(sent, allowed)

    def _grant(self, count: int, allowed_s: float) -> None:
        """Put the deadline off by what `min_rate` grants for so many bytes, `allowed_s` at most."""
        granted = self.deadline + count / self._server.options.min_rate
        self.deadline = min(granted, self._loop.now + allowed_s)

    def _settle(self) -> None:
        """All that can be answered now is, and all that was answered is sent: wait for more."""
        stage, allowed_s = self._next_stage()
        if stage is ConnectionState.IDLE or stage is not self._stage:
            self._stage = stage
            self.deadline = self._loop.now + allowed_s
        self._watch()

    def _next_stage(self) -> tuple[ConnectionState, float]:
        exchange, options = self._exchange, self._server.options
        if exchange is None or exchange.is_over:
            self._exchange = None
            return ConnectionState.IDLE, options.keepalive_timeout
        if exchange.waits:
            return ConnectionState.WORKING, options.send_timeout
        if exchange.is_in_head:
            return ConnectionState.HEAD, options.header_timeout
        return ConnectionState.BODY, options.body_timeout

    def _finish(self) -> None:
        """End the connection: the last answer is sent, or none is due.

        Where the peer may still be sending, closing at once would have the kernel reset the
        connection under the answer: then only our side is ended, and what comes is discarded.
        """
        is_quiet = self._exchange is None or self._exchange.is_over
        if is_quiet and not self._transport.says_farewell:
            self.close()
            return
        try:
            self._transport.end()
        except OSError as error:
            self._lose(error)
            return
        if is_quiet:
            self.close()
            return
        self._stage = ConnectionState.LINGERING
        self.deadline = self._loop.now + _LINGER_S
        self._watch()

    def _watch(self, mask: int = -1) -> None:
        mask = MASKS.get(self._stage, READ) if mask < 0 else mask
        if self._watching is None:
            self._loop.watch(self._fd, mask, self.on_ready)
        elif mask != self._watching:
            self._loop.modify(self._fd, mask)
        self._watching = mask

    def _lose(self, error: OSError) -> None:
        if error.errno not in CONNECTION_LOST:
            raise error
        self.close()
