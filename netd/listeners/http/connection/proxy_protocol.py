"""Connections from proxies that introduce their clients, until they have."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Final

from netd.errors import RemoteProtocolError
from netd.protocols.proxy import parse_proxy_header
from netd.runtime.errnos import CONNECTION_LOST
from netd.runtime.loop import Loop
from netd.runtime.poller import READ

_PEEK_BYTES: Final = 4352  # more than an introduction may take
_MAX_WAITING: Final = 1024

OnIntroduced = Callable[[socket.socket, str], object]


class Introductions:
    """Reads each introduction and not a byte more, then hands on its socket."""

    def __init__(
        self, loop: Loop, on_introduced: OnIntroduced, on_lost: Callable[[], object]
    ) -> None:
        """`on_introduced(socket, client)`; `on_lost` is called for who never came that far."""
        self._loop = loop
        self._on_introduced = on_introduced
        self._on_lost = on_lost
        self._waiting: dict[socket.socket, _Waiting] = {}
        self.failures = 0
        """How many did not introduce anybody, or not in time."""

    def __len__(self) -> int:
        return len(self._waiting)

    def await_from(self, sock: socket.socket, proxy: str, within_s: float) -> None:
        """Take a connection that came from `proxy`, who is the client where it names none."""
        if len(self._waiting) >= _MAX_WAITING:
            self.failures += 1
            sock.close()
            return
        self._waiting[sock] = _Waiting(proxy, self._loop.now + within_s)
        self._loop.watch(sock.fileno(), READ, lambda _mask: self._read(sock))

    def hurry(self, within_s: float) -> None:
        """Wait no longer than this for any of them."""
        for waiting in self._waiting.values():
            waiting.deadline = min(waiting.deadline, self._loop.now + within_s)

    def expire(self, now: float) -> None:
        """Close those whose time is over."""
        for sock in [each for each, waiting in self._waiting.items() if waiting.deadline < now]:
            self._lose(sock)

    def close(self) -> None:
        """Close them all."""
        for sock in list(self._waiting):
            self._lose(sock)

    def _read(self, sock: socket.socket) -> None:
        waiting = self._waiting[sock]
        try:
            seen = sock.recv(_PEEK_BYTES, socket.MSG_PEEK)
            found = parse_proxy_header(waiting.data + seen)
            if seen and found is None:
                waiting.data += sock.recv(len(seen))
                return
            if found is not None:
                sock.recv(found.size - len(waiting.data))
        except BlockingIOError:
            return
        except RemoteProtocolError:
            found = None
        except OSError as error:
            if error.errno not in CONNECTION_LOST:
                raise
            found = None
        if found is None:
            self._lose(sock)
            return
        self._forget(sock)
        self._on_introduced(sock, found.client or waiting.proxy)

    def _lose(self, sock: socket.socket) -> None:
        self.failures += 1
        self._forget(sock)
        sock.close()
        self._on_lost()

    def _forget(self, sock: socket.socket) -> None:
        self._loop.unwatch(sock.fileno())
        del self._waiting[sock]


class _Waiting:
    __slots__ = ("data", "deadline", "proxy")

    def __init__(self, proxy: str, deadline: float) -> None:
        self.proxy = proxy
        self.deadline = deadline
        self.data = b""
