"""One connection of the chat listener: framing, flood control, silence."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from netd.listeners.chat.room.member import Member
from netd.protocols.irc import MAX_CLIENT_LINE_BYTES
from netd.protocols.lines import Line, LineFramer, Overlong
from netd.protocols.token_bucket import TokenBucket
from netd.runtime.loop import Timer
from netd.runtime.stream import Stream

if TYPE_CHECKING:
    from netd.listeners.certificate import Certificate
    from netd.listeners.chat.service import ChatService
    from netd.runtime.tls import TlsStream


class Client:
    """A member's connection. Lines that may not be handled yet wait in `_held`."""

    __slots__ = (
        "_bucket",
        "_framer",
        "_has_ended",
        "_held",
        "_held_bytes",
        "_service",
        "_waiting",
        "closing_since",
        "connected_at",
        "heard_at",
        "host",
        "member",
        "pinged_at",
        "stream",
    )

    def __init__(
        self,
        service: ChatService,
        sock: socket.socket,
        host: str,
        local_user: str,
        certificate: Certificate | None,
    ) -> None:
        """Take over a connected socket, which the loop's poller must be able to watch."""
        loop, options = service.loop, service.options
        self._service = service
        self.host = host
        make = certificate.secure if certificate else Stream
        self.stream: Stream | TlsStream = make(
            loop,
            sock,
            on_data=self._on_tls_data if certificate else self._on_data,
            on_end=self._on_end,
            on_closed=lambda why: service.on_closed(self, why),
            max_unsent_bytes=options.max_send_queue,
        )
        self._framer = LineFramer(MAX_CLIENT_LINE_BYTES)
        shown = host or "localhost"
        self.member = Member(
            f"0{shown}" if shown[0] == ":" else shown,
            local_user=local_user,
            is_secure=certificate is not None,
        )
        self._held: deque[Line] = deque()
        self._held_bytes = 0
        self._has_ended = False
        self._waiting: Timer | None = None
        self._bucket = TokenBucket(loop.now, options.flood_burst)
        self.connected_at = self.heard_at = loop.now
        self.pinged_at: float | None = None
        self.closing_since: float | None = None

    def reconfigure(self) -> None:
        """Take the service's options as they are now."""
        self.stream.max_unsent_bytes = self._service.options.max_send_queue
        if self._waiting is not None:
            self._waiting.cancel()
            self._after_waiting()

    def close(self) -> None:
        """Close the connection; what was not sent is lost."""
        self.stream.close("drained")

    def proceed(self) -> None:
        """Handle the lines that waited, as far as they may be handled now."""
        while self._held and self.closing_since is None and self._may_handle():
            line = self._held.popleft()
            self._held_bytes -= _size(line)
            self._service.handle(self, line)
        if self._has_ended and not self._held and self.member.password_check is None:
            self._service.say_goodbye(self, "Connection closed")

    def _on_tls_data(self, data: bytes) -> None:
        self.member.fingerprint = self.stream.fingerprint()  # the handshake is complete
        self._on_data(data)

    def _on_data(self, data: bytes) -> None:
        self.heard_at = self._service.loop.now
        self.pinged_at = None
        self._take(self._framer.receive(data))

    def _on_end(self) -> None:
        self._has_ended = True
        self._take(self._framer.end())
        self.proceed()

    def _take(self, lines: Sequence[Line]) -> None:
        service, held = self._service, self._held
        for line in lines:
            if held or self.closing_since is not None or not self._may_handle():
                held.append(line)
                self._held_bytes += _size(line)
            else:
                service.handle(self, line)
        if self._held_bytes > self._service.options.max_receive_queue:
            self._service.dismiss(self, "Excess flood")

    def _may_handle(self) -> bool:
        if self.member.password_check is not None or self._waiting is not None:
            return False
        options, loop = self._service.options, self._service.loop
        if not options.flood_rate:
            return True
        if self._bucket.take(loop.now, options.flood_rate, options.flood_burst):
            return True
        wait_s = self._bucket.wait_s(options.flood_rate)
        self._waiting = loop.call_later(wait_s, self._after_waiting)
        return False

    def _after_waiting(self) -> None:
        self._waiting = None
        self.proceed()


def _size(line: Line) -> int:
    return len(line.start if isinstance(line, Overlong) else line)
