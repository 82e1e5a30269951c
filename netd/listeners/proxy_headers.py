"""Connections from trusted proxies, until their PROXY protocol header has been read."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from netd.errors import RemoteProtocolError
from netd.protocols.proxy import parse_proxy_header
from netd.runtime.errnos import CONNECTION_LOST
from netd.runtime.loop import Loop
from netd.runtime.poller import READ

_PEEK_BYTES: Final = 4352  # more than the longest header
_MAX_WAITING: Final = 1024


@dataclass(frozen=True, slots=True)
class ProxiedClient:
    """A client that a proxy has connected, or the proxy's host itself."""

    host: str
    is_secure: bool = False
    """Whether the header says that the client uses TLS."""
    awaits_tls: bool = False
    """Whether a TLS handshake comes after the header, as `add` was called."""
    data: bytes = b""
    """The client's own bytes that were read, if it has sent no header."""


OnHeader = Callable[[socket.socket, ProxiedClient], object]


@dataclass(frozen=True, slots=True)
class SavedProxied:
    """A connection without its header for another process; `descriptor` is the socket's position.

    `data` is the part of the header that was read; `deadline` is a monotonic time.
    """

    descriptor: int
    proxy: str
    deadline: float
    data: bytes = b""
    awaits_tls: bool = False
    is_optional: bool = False

    def __post_init__(self) -> None:
        if self.descriptor < 0 or not self.proxy:
            raise ValueError("not a connection from a proxy")


@dataclass(slots=True)
class _Waiting:
    proxy: str
    deadline: float
    data: bytes = b""
    awaits_tls: bool = False
    is_optional: bool = False


class ProxyHeaderReader:
    """Reads the header of each connection, and no byte after it, then passes the socket on."""

    def __init__(self, loop: Loop, on_header: OnHeader, on_failure: Callable[[], object]) -> None:
        """Call `on_header(socket, client)` for each valid header, or without an optional one.

        `on_failure` is called after a connection without a valid header was closed.
        """
        self._loop = loop
        self._on_header = on_header
        self._on_failure = on_failure
        self._waiting: dict[socket.socket, _Waiting] = {}
        self.failures = 0
        """Connections closed: their header was invalid or late, or too many were waiting."""

    def __len__(self) -> int:
        return len(self._waiting)

    def add(
        self,
        sock: socket.socket,
        proxy: str,
        timeout_s: float,
        *,
        awaits_tls: bool = False,
        is_optional: bool = False,
    ) -> None:
        """Wait for the header of a connection from `proxy`. Raises PollerFullError.

        The proxy itself counts as the client if the header names none, and so it does if the header
        `is_optional` and the connection begins with other bytes.
        """
        if len(self._waiting) >= _MAX_WAITING:
            self.failures += 1
            sock.close()
            return
        deadline = self._loop.now + timeout_s
        waiting = _Waiting(proxy, deadline, awaits_tls=awaits_tls, is_optional=is_optional)
        self._wait(sock, waiting)

    def save(self, position_of: Callable[[int], int]) -> tuple[SavedProxied, ...]:
        """Describe the connections that wait; `position_of` takes their descriptors along."""
        return tuple(
            SavedProxied(
                position_of(sock.fileno()),
                waiting.proxy,
                waiting.deadline,
                waiting.data,
                waiting.awaits_tls,
                waiting.is_optional,
            )
            for sock, waiting in self._waiting.items()
        )

    def take_over(self, sock: socket.socket, saved: SavedProxied) -> None:
        """Wait for the rest of the header of a connection that another process has accepted.

        Raises PollerFullError.
        """
        waiting = _Waiting(saved.proxy, saved.deadline, saved.data)
        waiting.awaits_tls, waiting.is_optional = saved.awaits_tls, saved.is_optional
        self._wait(sock, waiting)

    def suspend(self) -> None:
        """Read nothing until `resume`; deadlines stay."""
        self._watch_all(0)

    def resume(self) -> None:
        """Read again."""
        self._watch_all(READ)

    def shorten_deadlines(self, timeout_s: float) -> None:
        """Wait for all headers at most this long from now."""
        for waiting in self._waiting.values():
            waiting.deadline = min(waiting.deadline, self._loop.now + timeout_s)

    def close_late(self, now: float) -> None:
        """Close connections whose deadline has passed."""
        late = [sock for sock, waiting in self._waiting.items() if waiting.deadline < now]
        for sock in late:
            self._fail(sock)

    def forget(self) -> None:
        """Close all connections that wait: another process has copies of their sockets."""
        for sock in list(self._waiting):
            self._forget(sock)
            sock.close()

    def close(self) -> None:
        """Close all connections that wait."""
        for sock in list(self._waiting):
            self._fail(sock)

    def _wait(self, sock: socket.socket, waiting: _Waiting) -> None:
        self._loop.watch(sock.fileno(), READ, lambda _mask: self._read(sock))
        self._waiting[sock] = waiting

    def _watch_all(self, mask: int) -> None:
        for sock in self._waiting:
            self._loop.modify(sock.fileno(), mask)

    def _read(self, sock: socket.socket) -> None:
        waiting = self._waiting[sock]
        try:
            client = _read_client(sock, waiting)
        except BlockingIOError:
            return
        except RemoteProtocolError:
            self._fail(sock)
            return
        except OSError as error:
            if error.errno not in CONNECTION_LOST:
                raise
            self._fail(sock)
            return
        if client is not None:
            self._forget(sock)
            self._on_header(sock, client)

    def _fail(self, sock: socket.socket) -> None:
        self.failures += 1
        self._forget(sock)
        sock.close()
        self._on_failure()

    def _forget(self, sock: socket.socket) -> None:
        self._loop.unwatch(sock.fileno())
        del self._waiting[sock]


def _read_client(sock: socket.socket, waiting: _Waiting) -> ProxiedClient | None:
    """Read the header, or the part of it that is there: None until it is complete.

    Raises RemoteProtocolError if it is not valid, or if the connection ends before; OSError.
    """
    peeked = sock.recv(_PEEK_BYTES, socket.MSG_PEEK)
    try:
        header = parse_proxy_header(waiting.data + peeked)
    except RemoteProtocolError:
        if not waiting.is_optional:
            raise
        return ProxiedClient(waiting.proxy, False, waiting.awaits_tls, waiting.data)
    if header is not None:
        sock.recv(header.size - len(waiting.data))
        return ProxiedClient(header.client or waiting.proxy, header.is_secure, waiting.awaits_tls)
    if not peeked:
        raise RemoteProtocolError("the connection ends within the header", 400)
    waiting.data += sock.recv(len(peeked))
    return None
