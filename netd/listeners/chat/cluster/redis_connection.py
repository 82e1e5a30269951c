"""One connection to Redis or Valkey: commands in a pipeline, and their replies in order."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from netd.listeners.chat.cluster.engine_address import EngineAddress
from netd.listeners.chat.cluster.resp import Argument, Reply, ReplyError, make_reader, pack
from netd.listeners.chat.cluster.scripts import Keys, Script
from netd.runtime.dialer import Dialer
from netd.runtime.loop import Loop
from netd.runtime.stream import Stream

if TYPE_CHECKING:  # OpenSSL, only for rediss://
    import ssl

    from netd.runtime.tls import TlsStream

OnReply = Callable[[Reply], object]
CHECK_S: Final = 0.5
_MAX_UNSENT_BYTES: Final = 64 << 20  # the caller bounds what it sends


@dataclass(frozen=True, slots=True)
class Credentials:
    """The password for an engine, and the TLS context of its connections."""

    password: str = ""
    tls: ssl.SSLContext | None = None


class RedisConnection:
    """A connection that logs in, and selects the database.

    `on_ready()` is called once, as soon as `call` may be used, before the log-in is confirmed;
    `on_closed(reason)` is called once, at the end, also if no connection was made. Replies that
    have not come are given up.
    """

    def __init__(  # noqa: PLR0913 (its callbacks are its interface)
        self,
        loop: Loop,
        address: EngineAddress,
        credentials: Credentials,
        *,
        timeout_s: float,
        on_ready: Callable[[], object],
        on_closed: Callable[[str], object],
    ) -> None:
        self._loop = loop
        self._address = address
        self._credentials = credentials
        self._timeout_s = timeout_s
        self._on_ready, self._on_closed = on_ready, on_closed
        self._stream: Stream | TlsStream | None = None
        self._reader = make_reader()
        self._awaited: deque[tuple[float, OnReply]] = deque()  # with their deadlines
        self.is_closed = False
        """True from the call of `on_closed`."""
        self._check = loop.call_every(CHECK_S, self._on_check)
        self._dialer = Dialer(
            loop,
            address.path or address.host,
            address.port,
            timeout_s,
            on_connected=self._on_connected,
            on_failed=self.close,
        )

    def call(self, on_reply: OnReply, *arguments: Argument, timeout_s: float = 0.0) -> None:
        """Send a command; `on_reply` gets the reply, which may be a ReplyError.

        `timeout_s` is for a command that waits in the engine, in addition to the usual time.
        """
        assert self._stream is not None
        self._awaited.append((self._loop.now + self._timeout_s + timeout_s, on_reply))
        self._stream.write(pack(*arguments))

    def run(self, on_reply: OnReply, script: Script, keys: Keys, *arguments: Argument) -> None:
        """Execute a script."""
        names = keys.all()
        self.call(on_reply, "EVALSHA", script.sha, len(names), *names, *arguments)

    def expect_success(self, reply: Reply) -> None:
        """Close the connection if a reply is an error."""
        if isinstance(reply, ReplyError):
            self.close(str(reply))

    def close(self, reason: str) -> None:
        """Close the connection, if it is not closed."""
        if self.is_closed:
            return
        self.is_closed = True
        self._check.cancel()
        self._dialer.cancel()
        if self._stream is not None:
            self._stream.close(reason)
        self._awaited.clear()
        self._on_closed(reason)

    def _on_connected(self, sock: socket.socket) -> None:
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        context = self._credentials.tls
        if context is not None:
            from netd.runtime.tls import TlsStream  # noqa: PLC0415 (OpenSSL, if needed)

            self._stream = TlsStream(
                self._loop,
                sock,
                context=context,
                server_name=self._address.host,
                on_data=self._on_data,
                on_end=self._on_end,
                on_closed=self.close,
                max_unsent_bytes=_MAX_UNSENT_BYTES,
            )
        else:
            self._stream = Stream(
                self._loop,
                sock,
                on_data=self._on_data,
                on_end=self._on_end,
                on_closed=self.close,
                max_unsent_bytes=_MAX_UNSENT_BYTES,
            )
        self._log_in()

    def _log_in(self) -> None:
        user, password = self._address.user, self._credentials.password
        if password:
            self.call(self.expect_success, "AUTH", *([user] if user else []), password)
        if self._address.database:
            self.call(self.expect_success, "SELECT", self._address.database)
        self._on_ready()

    def _on_data(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            while not self.is_closed and (reply := self._reader.gets()) is not False:
                self._take(reply)
        except ReplyError as error:  # a reply breaks the protocol
            self.close(f"a reply cannot be read: {error}")

    def _take(self, reply: Reply) -> None:
        if not self._awaited:
            self.close("a reply came to no command")
            return
        _, on_reply = self._awaited.popleft()
        on_reply(reply)

    def _on_end(self) -> None:
        self.close("the engine closed the connection")

    def _on_check(self) -> None:
        if self._awaited and self._awaited[0][0] < self._loop.now:
            self.close("the engine does not reply")
