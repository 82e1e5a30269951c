"""The open connections of a service: accepts them, counts them, and drains them.

For services that serve connections on the worker's own loop. The owner chooses the class of the
connections. It calls `admit`, then `add` or `release`, and finally `remove`.

When all connections that the options allow are open, the connections that have been idle for
longest are closed for new ones. A client with many idle connections cannot keep other clients out.
"""

from __future__ import annotations

import heapq
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Generic, TypeVar

from netd.config.model import ListenerOptions
from netd.listeners.admission import Admission, Refusal
from netd.listeners.counters import Counters
from netd.listeners.full_notice import FullNotice
from netd.listeners.kind import ListeningSocket
from netd.runtime.acceptor import Acceptor
from netd.runtime.loop import Loop

C = TypeVar("C")

_ROOM_SHARE: Final = 100  # a hundredth of all connections is closed at once: searches are rare
_ROOM_RETRY_S: Final = 0.1  # until the next search, if no connection was idle


class ConnectionSet(Generic[C]):
    """The open connections, and the host for which each one was admitted."""

    def __init__(  # noqa: PLR0913 (the owner's part of the work)
        self,
        loop: Loop,
        options: ListenerOptions,
        on_accept: Callable[[socket.socket, str, ListeningSocket], object],
        *,
        close: Callable[[C], object],
        on_drained: Callable[[], object],
        idle_since: Callable[[C], float | None] = lambda _: None,
        give_way: Callable[[C], object] | None = None,
    ) -> None:
        """`on_accept(sock, host, listening)` is called for each connection, as by Acceptor.

        `close(connection)` ends a connection that is open at the drain's deadline. `on_drained`
        is called when no connection is left after `drain`; it stops the loop.

        `idle_since(connection)` is the time since when a connection has been idle, None if it is
        in use. `give_way(connection)`, by default `close`, closes an idle one to make room, unless
        the client has begun to use it.
        """
        self._loop = loop
        self._admission = Admission(options)
        self._acceptor: Acceptor[ListeningSocket] = Acceptor(loop, on_accept)
        self._hosts: dict[C, str] = {}
        self._close = close
        self._on_drained = on_drained
        self._idle_since = idle_since
        self._give_way = give_way or close
        self._evicted = 0
        self._next_search = 0.0
        self._full = FullNotice(loop)
        self._is_draining = False

    def __iter__(self) -> Iterator[C]:
        """Iterate over a copy, so that connections can close during the loop."""
        return iter(tuple(self._hosts))

    @property
    def is_draining(self) -> bool:
        """True once `drain` was called."""
        return self._is_draining

    @property
    def is_drained(self) -> bool:
        """True once `drain` was called and no connection is left."""
        return self._is_draining and not self._hosts

    def listen(self, sockets: Sequence[ListeningSocket]) -> None:
        """Accept from these sockets; from the earlier ones too, until `release_sockets`."""
        self._acceptor.replace(sockets)

    def release_sockets(self) -> None:
        """Empty the queues of the earlier sockets, and close them."""
        self._acceptor.release()

    def stop_listening(self) -> None:
        """Accept no more; connections in the queues of the sockets are left to other processes."""
        self._acceptor.close()

    def suspend(self) -> None:
        """Accept nothing until `resume`; connections wait in the queues of the sockets."""
        self._acceptor.suspend()

    def resume(self) -> None:
        """Accept again."""
        self._acceptor.resume()

    def reconfigure(self, options: ListenerOptions, sockets: Sequence[ListeningSocket]) -> None:
        """Apply new limits to connections to come, and `listen`."""
        self._admission.reconfigure(options)
        self.listen(sockets)

    def admit(self, host: str) -> Refusal | None:
        """Count a connection of `host`, or return why it is refused."""
        limit = self._admission.max
        is_full = self._admission.connections >= limit
        if is_full and self._admission.check(host) is Refusal.FULL:
            self.make_room(f"{limit} connections are open (max_connections)")
        return self._admission.admit(host)

    def make_room(self, limit: str) -> None:
        """Close the connections that have been idle for longest; the log names the `limit`."""
        self._full.note(limit)
        if self._loop.now < self._next_search:
            return
        before = self._admission.connections
        for connection in self._longest_idle(1 + before // _ROOM_SHARE):
            self._give_way(connection)
        evicted = before - self._admission.connections
        self._evicted += evicted
        if not evicted:
            self._next_search = self._loop.now + _ROOM_RETRY_S

    def release(self, host: str) -> None:
        """Undo `admit` for a connection that was not added."""
        self._admission.release(host)
        self._check_drained()

    def add(self, connection: C, host: str) -> None:
        """Keep an admitted connection."""
        self._hosts[connection] = host

    def adopt(self, connection: C, host: str) -> None:
        """Keep a connection taken over from another process; it is not counted as accepted.

        The limits do not apply: that process has admitted it.
        """
        self._admission.adopt(host)
        self._hosts[connection] = host

    def remove(self, connection: C) -> None:
        """Forget a connection that has closed."""
        self.release(self._hosts.pop(connection))

    def drain(self, within_s: float | None) -> None:
        """Accept the connections that wait, stop listening, and let open connections finish.

        Connections that are open after `within_s` seconds are closed (None: no deadline).
        """
        self.listen(())
        self.release_sockets()
        self._is_draining = True
        if within_s is not None:
            self._loop.call_later(within_s, self._close_all)
        self._loop.defer(self._check_drained)

    def counters(self) -> Counters:
        """The counters of Admission, and the totals accept_failures and evicted (to make room)."""
        totals = {"accept_failures": self._acceptor.failures, "evicted": self._evicted}
        return self._admission.counters() + Counters(totals)

    def degraded(self) -> str:
        """Why waiting connections cannot be accepted; empty if they can."""
        return self._acceptor.failure

    def _longest_idle(self, count: int) -> list[C]:
        idle = [
            (since, order, connection)
            for order, connection in enumerate(self._hosts)
            if (since := self._idle_since(connection)) is not None
        ]
        return [connection for _, _, connection in heapq.nsmallest(count, idle)]

    def _close_all(self) -> None:
        for connection in self:
            self._close(connection)

    def _check_drained(self) -> None:
        if self.is_drained:
            self._on_drained()
