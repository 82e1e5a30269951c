"""Accepts connections from listening sockets, and never spins when it cannot.

Out of descriptors or memory a listening socket stays readable for as long as somebody waits on
it, so a loop that simply tried again would do nothing else. Here every socket then rests for a
moment; who waits goes on waiting in the backlog.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Generic, Protocol, TypeVar

from netd.runtime.errnos import CONNECTION_ABORTED, OUT_OF_RESOURCES
from netd.runtime.loop import Loop
from netd.runtime.poller import READ

_BATCH: Final = 64  # in one turn from one socket, so that open connections have their turns
_PAUSE_S: Final = 0.1

_log = logging.getLogger("netd")


class Listening(Protocol):
    """A listening socket and whatever its owner knows of it."""

    @property
    def sock(self) -> socket.socket:
        """The socket, non-blocking."""


L = TypeVar("L", bound=Listening)


class Acceptor(Generic[L]):
    """Hands on each connection: `on_accept(socket, host, listening)`.

    The socket is non-blocking and the callee's to close. The host is the text of the peer's
    address, IPv4 as IPv4 also on an IPv6 socket, "" for a peer on a Unix socket.
    """

    def __init__(self, loop: Loop, on_accept: Callable[[socket.socket, str, L], object]) -> None:
        self._loop = loop
        self._on_accept = on_accept
        self._listening: Sequence[L] = ()
        self._is_short = False
        self.failures = 0
        """How often there was no descriptor or no memory for a connection."""

    def replace(self, listening: Sequence[L]) -> None:
        """Listen on these from now on; who waits on the ones before is let in first."""
        before, self._listening = self._listening, listening
        for each in listening:
            self._loop.watch(each.sock.fileno(), READ, partial(self._accept_batch, each))
        for each in before:
            while self._accept(each):
                pass
            self._loop.unwatch(each.sock.fileno())
            each.sock.close()

    def _accept_batch(self, listening: L, _mask: int) -> None:
        for _ in range(_BATCH):
            if not self._accept(listening):
                return

    def _accept(self, listening: L) -> bool:
        """Accept one; whether another may wait."""
        try:
            sock, peer = listening.sock.accept()
        except BlockingIOError:
            self._is_short = False
            return False
        except OSError as error:
            if error.errno in CONNECTION_ABORTED:
                return True
            if error.errno not in OUT_OF_RESOURCES:
                raise
            self._rest(error)
            return False
        sock.setblocking(False)
        self._on_accept(sock, host_of(peer), listening)
        return True

    def _rest(self, error: OSError) -> None:
        self.failures += 1
        if not self._is_short:
            _log.warning("cannot accept: %s; connections wait", error.strerror)
        self._is_short = True
        self._watch_all(0)
        self._loop.call_later(_PAUSE_S, lambda: self._watch_all(READ))

    def _watch_all(self, mask: int) -> None:
        for each in self._listening:
            self._loop.modify(each.sock.fileno(), mask)


def host_of(peer: object) -> str:
    """The host of a peer's socket address as Python gives it."""
    if not isinstance(peer, tuple):
        return ""
    host = str(peer[0])
    return host.removeprefix("::ffff:") if "." in host else host
