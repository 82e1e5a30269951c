"""The connection of a client: its lines, flood control and time limits."""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from netd.listeners.chat.fanout import Outlet
from netd.listeners.chat.hooks.hook_stream import HookStream
from netd.listeners.chat.options import ChatOptions
from netd.listeners.chat.peer_facts import WebClient, local_user, shown_host
from netd.listeners.chat.room.client_state import ClientState
from netd.listeners.chat.room.dispatch import is_quick
from netd.listeners.chat.room.member import Client
from netd.listeners.chat.session_owner import DisconnectReason, SessionOwner
from netd.protocols.irc import MAX_CLIENT_LINE_BYTES
from netd.protocols.lines import Line, LineFramer, size_of
from netd.protocols.record import set_attributes
from netd.protocols.token_bucket import TokenBucket
from netd.protocols.websocket import CloseCode, Opcode
from netd.runtime.loop import Loop, Timer
from netd.runtime.stream import Stream, StreamState

if TYPE_CHECKING:  # OpenSSL, only for listeners that speak TLS; wsproto, only for WebSockets
    from netd.listeners.certificate import Certificate
    from netd.listeners.chat.websocket_stream import WebSocketStream
    from netd.runtime.tls import TlsStream

WORK_PER_TOKEN: Final = 1000  # in the units of `Client.work`, so about a millisecond
_LINE_WORK: Final = 8
_SHORT_BYTES: Final = 512  # a line of this length takes 0.02 ms
_LINES_AT_ONCE: Final = 32
_LINES_SPLIT: Final = 1 + _LINES_AT_ONCE  # of what was received: one is left while there are more
_REPLY_BYTES: Final = 65536  # with more unsent bytes, a long reply waits until the client reads
_LINGER_S: Final = 5.0  # for a client that does not read the last lines it is sent
_TOKEN_BYTES: Final = 16
_LOST: Final = "Connection lost"


class Session:
    """The connection of a client of the room.

    Received lines wait in `_held` until the session is served; of many lines, the first are split
    off, as 16 KiB can be 16384 lines. They also wait while flood control or a password check delays
    them, and while the reply to the previous line is not complete.
    """

    __slots__ = (
        "_bucket",
        "_flood_timer",
        "_framer",
        "_has_ended",
        "_heard_at",
        "_held",
        "_held_bytes",
        "_is_paused",
        "_loop",
        "_options",
        "_owner",
        "_pinged_at",
        "_started_at",
        "client",
        "closing_since",
        "host",
        "is_queued",
        "stream",
        "web",
    )

    def __init__(  # noqa: PLR0913 (the parts of a connection)
        self,
        owner: SessionOwner[Session],
        loop: Loop,
        options: ChatOptions,
        sock: socket.socket | HookStream,
        *,
        host: str,
        certificate: Certificate | None = None,
        is_secure: bool = False,
        client: Client | None = None,
        web: WebClient | None = None,
    ) -> None:
        """Take over a connected socket, or a stream of this process. Raises PollerFullError.

        `host` is the client's address, empty on a Unix socket. With a certificate it speaks TLS;
        `is_secure` if the client speaks TLS with a trusted proxy. With `web` it speaks WebSocket.
        `client` is that of a connection that another process has served, or of a hook.
        """
        self._owner = owner
        self._loop = loop
        self.host = host
        self._options = options
        self.client = client or Client(
            shown_host(host),
            local_user="" if web else local_user(sock),
            web_user=web.user if web else "",
            is_secure=is_secure or certificate is not None,
            resume_token=os.urandom(_TOKEN_BYTES).hex(),
        )
        self.web: WebSocketStream | None = None
        """The stream, if the client speaks WebSocket."""
        self.stream = self._open_stream(sock, certificate, web)
        self._framer = LineFramer(MAX_CLIENT_LINE_BYTES)
        self._held: deque[Line] = deque()
        self._held_bytes = 0
        self._has_ended = False
        self._is_paused = False
        self.is_queued = False  # set by the backlog
        self._bucket = TokenBucket(loop.now, options.flood_burst)
        self._flood_timer: Timer | None = None
        self._started_at = self._heard_at = loop.now
        self._pinged_at: float | None = None
        self.closing_since: float | None = None

    def _open_stream(
        self,
        sock: socket.socket | HookStream,
        certificate: Certificate | None,
        web: WebClient | None,
    ) -> Stream | TlsStream | WebSocketStream | HookStream:
        if isinstance(sock, HookStream):
            return sock.bind(self._on_data, self._on_closed)
        if web is not None:
            self.web = self._open_websocket(sock, web)
            return self.web
        make = certificate.secure if certificate else Stream
        return make(
            self._loop,
            sock,
            on_data=self._on_tls_data if certificate else self._on_data,
            on_end=self._on_end,
            on_closed=self._on_closed,
            max_unsent_bytes=self._options.max_send_queue,
        )

    def _open_websocket(self, sock: socket.socket, web: WebClient) -> WebSocketStream:
        from netd.listeners.chat.websocket_stream import WebSocketStream  # noqa: PLC0415 (wsproto)

        return WebSocketStream(
            self._loop,
            sock,
            opcode=web.opcode,
            is_relayed=web.is_relayed,
            on_data=self._on_data,
            on_end=self._on_end,
            on_closed=self._on_closed,
            serve_later=self._owner.serve_later,
            max_unsent_bytes=self._options.max_send_queue,
        )

    @property
    def movable_stream(self) -> Stream | WebSocketStream | None:
        """The stream, if another process can continue with it; that of TLS has state in OpenSSL."""
        return self.web or (self.stream if isinstance(self.stream, Stream) else None)

    @property
    def outlet(self) -> tuple[Outlet, Opcode | None]:
        """The stream for the room's lines, and the type of message that each one becomes."""
        return (self.stream, None) if self.web is None else (self.web.stream, self.web.opcode)

    def reconfigure(self, options: ChatOptions) -> None:
        """Replace the options; they apply to lines that wait, too."""
        self._options = options
        self.stream.max_unsent_bytes = options.max_send_queue
        if self._flood_timer is not None:
            self._flood_timer.cancel()
            self._on_flood_timer()

    def restore(self, attributes: Mapping[str, Any], stream: StreamState) -> None:
        """Continue a session of another process (`SavedSession`); for a new one without TLS."""
        movable = self.movable_stream
        assert movable is not None
        set_attributes(self, attributes)
        self._held_bytes = sum(map(size_of, self._held))
        movable.restore(stream)
        if self._is_paused:
            self.stream.pause()
        if self.closing_since is None:
            self.wake()

    def begin_with(self, data: bytes) -> None:
        """Handle bytes that were read from a new connection before the session; not under TLS."""
        if data and self.web is not None:
            self.web.receive(data)
        elif data and isinstance(self.stream, Stream):
            self._on_data(data)

    def serve(self, until: float) -> bool:
        """Handle lines until a time of the loop; return whether there is more to do now."""
        while True:
            if self.closing_since is not None or self.client.is_asking:
                return False
            if self.client.is_replying:
                if self.stream.unsent_bytes > _REPLY_BYTES:
                    self.stream.when_drained(self.wake)
                    return False
                self._owner.resume(self)
            elif self._held and self._may_handle():
                self._owner.receive(self, self._take_line())
            else:
                self._check_held()
                self.stream.flush()  # others may write to many streams in this turn
                return False
            self._charge()
            if (self._held or self.client.is_replying) and self._loop.time() >= until:
                return True

    @property
    def has_quick_line(self) -> bool:
        """Whether the next line takes little time (`is_quick`)."""
        return bool(self._held) and is_quick(self._held[0])

    def wake(self) -> None:
        """Let the session be served: it no longer waits for a check, an answer or a full queue."""
        self._owner.wake(self)

    def check_time_limits(self, server_name: str) -> None:
        """Send a PING to a silent client; end a session that has passed a time limit."""
        if self.web is not None:
            self.web.keep_alive()
        self._check_time_limits(server_name)

    def _check_time_limits(self, server_name: str) -> None:
        now, options = self._loop.now, self._options
        if self.closing_since is not None:
            if now - self.closing_since > _LINGER_S:
                self.stream.close("the last lines were not read")
        elif self.client.state is ClientState.REGISTERING:
            if now - self._started_at > options.registration_timeout:
                self._owner.disconnect(self, DisconnectReason.REGISTRATION_TIMEOUT)
        elif self._pinged_at is not None:
            if now - self._pinged_at > options.ping_timeout:
                self._owner.disconnect(self, DisconnectReason.PING_TIMEOUT)
        elif now - self._heard_at > options.ping_after:
            self._pinged_at = now
            self.stream.write(f"PING :{server_name}\r\n".encode())

    def idle_since(self) -> float | None:
        """When the client connected without registering, or sent its end of file; None for others.

        Lines that came before the end can wait for a long time, for password checks above all.
        """
        if self._has_ended:
            return self._heard_at
        return self._started_at if self.client.state is ClientState.REGISTERING else None

    def set_close_code(self, code: CloseCode) -> None:
        """Choose the code that `finish` sends to a client that speaks WebSocket."""
        if self.web is not None:
            self.web.close_code = code

    def finish(self, reason: str) -> None:
        """Handle no more lines, and close the connection once everything written was sent."""
        if self.closing_since is None:
            self.closing_since = self._loop.now
            self.stream.finish(reason)

    @property
    def is_being_sent(self) -> bool:
        """Whether the client is sent the rest of a long reply, or bytes under TLS."""
        if self.client.is_replying:
            return self.client.is_asking or self.stream.unsent_bytes <= _REPLY_BYTES
        return bool(self.stream.unsent_bytes) and self.movable_stream is None

    @property
    def buffered_bytes(self) -> int:
        """The bytes in the receive and send queues."""
        frames = 0 if self.web is None else self.web.held_bytes
        return self.stream.unsent_bytes + self._held_bytes + self._framer.held_bytes + frames

    def close(self) -> None:
        """Close the connection; bytes that were not sent are lost."""
        self.stream.close("drained")

    def _on_tls_data(self, data: bytes) -> None:
        self.client.fingerprint = self.stream.fingerprint()  # the handshake is complete
        self._on_data(data)

    def _on_data(self, data: bytes) -> None:
        self._heard_at = self._loop.now
        self._pinged_at = None
        lines = self._framer.receive(data, _LINES_SPLIT)
        self._receive(lines)
        if len(lines) > 1 or len(data) > _SHORT_BYTES:
            # To parse a line takes 4 us and 1 us for 16 bytes, which are not part of `Client.work`.
            self._owner.note_bypass(4 * len(lines) + len(data) // 16)

    def _on_end(self) -> None:
        if self.web is not None and self.web.is_cut_off:
            self._owner.suspend_session(self, _LOST)
            return
        self._heard_at = self._loop.now
        self._has_ended = True
        if last := self._framer.end():
            self._receive(last)
        elif not self.is_queued:
            self.wake()  # not as new input: many members can leave at once

    def _on_closed(self, reason: str) -> None:
        self._held.clear()
        self._owner.on_closed(self, reason)
        self.closing_since = self._loop.now  # the backlog may still hold the session

    def _receive(self, lines: Sequence[Line]) -> None:
        if not (self._held or self.is_queued) and self._owner.may_bypass():
            lines = self._handle_at_once(lines)
            self._flush_before_late_output()
            if not lines and not self.client.is_replying and not self._has_ended:
                return
        self._hold(lines)
        if self._received_too_much and not self._is_paused:
            self._is_paused = True  # `serve` decides: the client waits, or has flooded
            self.stream.pause()
        if not self.is_queued:
            self._owner.on_input(self)

    def _hold(self, lines: Sequence[Line]) -> None:
        self._held += lines
        self._held_bytes += sum(map(size_of, lines))

    def _take_line(self) -> Line:
        """Remove the first line that waits; when none is left, read again."""
        line = self._held.popleft()
        self._held_bytes -= size_of(line)
        if not self._held:
            self._hold(self._framer.more(_LINES_SPLIT))
        if self._is_paused and not self._held:
            self._is_paused = False
            self.stream.resume()
        return line

    @property
    def _received_too_much(self) -> bool:
        return self._held_bytes + self._framer.unsplit_bytes > self._options.max_receive_queue

    def _flush_before_late_output(self) -> None:
        """Send the reply to lines now, if it would else come after output of an earlier turn."""
        if self._loop.has_late_output:
            self.stream.flush()

    def _handle_at_once(self, lines: Sequence[Line]) -> Sequence[Line]:
        """Handle some lines as long as they make little work: the steady state of a chat.

        Returns the lines that are left.
        """
        receive, client = self._owner.receive, self.client
        for index, line in enumerate(lines):
            is_over = index == _LINES_AT_ONCE or client.is_replying
            if is_over or self.closing_since is not None or not self._may_handle():
                return lines[index:]
            receive(self, line)
            if client.work:
                self._owner.note_bypass(self._charge())
                return lines[index + 1 :]
        return ()

    def _charge(self) -> int:
        """Take tokens for the work that was done for the client; return the work."""
        client = self.client
        work, client.work = client.work, 0
        if work and self._options.flood_rate:
            self._bucket.charge(work / WORK_PER_TOKEN - client.refund)
            client.refund = 0.0
        return _LINE_WORK + work

    def _check_held(self) -> None:
        """End a session whose receive queue is too long, or is empty after the client's end."""
        if self._received_too_much and not self.client.is_waiting:
            self._owner.disconnect(self, DisconnectReason.EXCESS_FLOOD)
        if self._has_ended and not self._held and not self.client.must_wait:
            self._owner.leave(self, "Connection closed")

    def _may_handle(self) -> bool:
        """Take a token for a line; without one, wait for it."""
        if self.client.must_wait or self._flood_timer is not None:
            return False
        options = self._options
        if not options.flood_rate or self.client.is_hook:  # its route has a rate
            return True
        if self._bucket.take(self._loop.now, options.flood_rate, options.flood_burst):
            return True
        wait_s = self._bucket.wait_s(options.flood_rate)
        self._flood_timer = self._loop.call_later(wait_s, self._on_flood_timer)
        return False

    def _on_flood_timer(self) -> None:
        self._flood_timer = None
        self.wake()
