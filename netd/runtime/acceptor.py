"""Accepts connections from listening sockets, without a busy loop when accept(2) fails.

When the process has no descriptor or memory left, a listening socket with waiting connections
stays readable, and a loop that tried again at once would use a whole CPU. Therefore all listening
sockets pause for a moment; the connections wait in the backlog.
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

_BATCH: Final = 16  # from one socket in one turn, so that open connections are served too
_PAUSE_S: Final = 0.1

_log = logging.getLogger("netd")


class Listening(Protocol):
    """A listening socket, with attributes that its owner adds."""

    @property
    def sock(self) -> socket.socket:
        """The socket, non-blocking."""


L = TypeVar("L", bound=Listening)


class Acceptor(Generic[L]):
    """Calls `on_accept(sock, host, listening)` for each connection.

    `sock` is non-blocking and belongs to the callee. `host` is the text of the peer's address
    (an IPv4 address also if the socket is an IPv6 one), and "" on a Unix socket.
    """

    def __init__(self, loop: Loop, on_accept: Callable[[socket.socket, str, L], object]) -> None:
        self._loop = loop
        self._on_accept = on_accept
        self._listening: Sequence[L] = ()
        self._previous: list[L] = []
        self._is_paused = self._is_suspended = False
        self.failure = ""
        """Why connections wait; empty while they do not."""
        self.failures = 0
        """How many times there was no descriptor or memory for a connection."""

    def replace(self, listening: Sequence[L]) -> None:
        """Accept from these sockets; from the previous ones too, until `release`."""
        self._previous += self._listening
        self._listening = listening
        for added in listening:
            self._loop.watch(added.sock.fileno(), READ, partial(self._accept_batch, added))

    def release(self) -> None:
        """Empty the queues of the previous sockets, and close them.

        The last process that closes a listening socket resets the connections in its queue, so
        every other process has to have closed its copy before.
        """
        previous, self._previous = self._previous, []
        for removed in previous:
            while self._accept(removed):
                pass
            self._loop.unwatch(removed.sock.fileno())
            removed.sock.close()

    def close(self) -> None:
        """Close all sockets; connections stay in their queues, for other processes."""
        for listening in (*self._listening, *self._previous):
            self._loop.unwatch(listening.sock.fileno())
            listening.sock.close()
        self._listening, self._previous = (), []

    def suspend(self) -> None:
        """Accept nothing until `resume`; connections wait in the queues of the sockets."""
        self._is_suspended = True
        self._watch_all(0)

    def resume(self) -> None:
        """Accept again."""
        self._is_suspended = False
        if not self._is_paused:
            self._watch_all(READ)

    def _accept_batch(self, listening: L, _mask: int) -> None:
        for _ in range(_BATCH):
            if not self._accept(listening):
                return

    def _accept(self, listening: L) -> bool:
        """Accept one connection. Returns whether another may wait."""
        try:
            sock, peer = listening.sock.accept()
            sock.setblocking(False)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno in CONNECTION_ABORTED:
                return True
            if error.errno not in OUT_OF_RESOURCES:
                raise
            self._pause(error)
            return False
        self._on_accept(sock, host_of(peer), listening)
        return True

    def _pause(self, error: OSError) -> None:
        self.failures += 1
        if not self.failure:
            self.failure = f"cannot accept: {error.strerror}; connections wait"
            _log.warning("%s", self.failure)
        if not self._is_paused:
            self._is_paused = True
            self._watch_all(0)
            self._loop.call_later(_PAUSE_S, self._try_again)

    def _try_again(self) -> None:
        """Accept again: another process may have accepted the connections that waited."""
        self._is_paused = False
        if self._is_suspended:
            return
        self._watch_all(READ)
        for listening in (*self._listening, *self._previous):
            self._accept_batch(listening, READ)
            if self._is_paused:
                return
        self.failure = ""
        _log.info("connections can be accepted again")

    def _watch_all(self, mask: int) -> None:
        for listening in (*self._listening, *self._previous):
            self._loop.modify(listening.sock.fileno(), mask)


def host_of(peer: object) -> str:
    """Return the host of a peer's address as accept(2) gives it; "" on a Unix socket."""
    if not isinstance(peer, tuple):
        return ""
    host = str(peer[0])
    return host.removeprefix("::ffff:") if "." in host else host
