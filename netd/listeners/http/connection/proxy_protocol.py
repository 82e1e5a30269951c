"""Connections from trusted proxies, until their PROXY protocol header has been read."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from netd.errors import RemoteProtocolError
from netd.listeners.http.connection.descriptor_table import DescriptorTable
from netd.protocols.proxy import parse_proxy_header
from netd.runtime.errnos import CONNECTION_LOST
from netd.runtime.loop import Loop
from netd.runtime.poller import READ

_PEEK_BYTES: Final = 4352  # more than the longest header
_MAX_WAITING: Final = 1024

OnHeader = Callable[[socket.socket, str], object]


@dataclass(frozen=True, slots=True)
class SavedProxied:
    """A connection without its header for another process; `descriptor` is the socket's position.

    `data` is the part of the header that was read; `deadline` is a monotonic time.
    """

    descriptor: int
    proxy: str
    deadline: float
    data: bytes = b""

    def __post_init__(self) -> None:
        if self.descriptor < 0 or not self.proxy:
            raise ValueError("not a connection from a proxy")


@dataclass(slots=True)
class _Waiting:
    proxy: str
    deadline: float
    data: bytes = b""


class ProxyHeaderReader:
    """Reads the header of each connection, and no byte after it, then passes the socket on."""

    def __init__(self, loop: Loop, on_header: OnHeader, on_failure: Callable[[], object]) -> None:
        """Call `on_header(socket, client)` for each valid header.

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

    def add(self, sock: socket.socket, proxy: str, timeout_s: float) -> None:
        """Wait for the header of a connection from `proxy`.

        The proxy itself counts as the client if the header names none.
        """
        if len(self._waiting) >= _MAX_WAITING:
            self.failures += 1
            sock.close()
            return
        self._wait(sock, _Waiting(proxy, self._loop.now + timeout_s))

    def save(self, table: DescriptorTable) -> tuple[SavedProxied, ...]:
        """Describe the connections that wait; their descriptors go into `table`."""
        return tuple(
            SavedProxied(
                table.position_of(sock.fileno()), waiting.proxy, waiting.deadline, waiting.data
            )
            for sock, waiting in self._waiting.items()
        )

    def take_over(self, sock: socket.socket, saved: SavedProxied) -> None:
        """Wait for the rest of the header of a connection that another process has accepted."""
        self._wait(sock, _Waiting(saved.proxy, saved.deadline, saved.data))

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

    def close(self) -> None:
        """Close all connections that wait."""
        for sock in list(self._waiting):
            self._fail(sock)

    def _wait(self, sock: socket.socket, waiting: _Waiting) -> None:
        self._waiting[sock] = waiting
        self._loop.watch(sock.fileno(), READ, lambda _mask: self._read(sock))

    def _watch_all(self, mask: int) -> None:
        for sock in self._waiting:
            self._loop.modify(sock.fileno(), mask)

    def _read(self, sock: socket.socket) -> None:
        waiting = self._waiting[sock]
        try:
            peeked = sock.recv(_PEEK_BYTES, socket.MSG_PEEK)
            header = parse_proxy_header(waiting.data + peeked)
            if peeked and header is None:
                waiting.data += sock.recv(len(peeked))
                return
            if header is not None:
                sock.recv(header.size - len(waiting.data))
        except BlockingIOError:
            return
        except RemoteProtocolError:
            header = None
        except OSError as error:
            if error.errno not in CONNECTION_LOST:
                raise
            header = None
        if header is None:
            self._fail(sock)
            return
        self._forget(sock)
        self._on_header(sock, header.client or waiting.proxy)

    def _fail(self, sock: socket.socket) -> None:
        self.failures += 1
        self._forget(sock)
        sock.close()
        self._on_failure()

    def _forget(self, sock: socket.socket) -> None:
        self._loop.unwatch(sock.fileno())
        del self._waiting[sock]
