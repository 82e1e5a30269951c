"""Passes the connections of a worker to another process, which continues to serve them.

Not saved, since the other process makes it anew: routes, the response cache, listings, the status
of the daemon, the logins that are known to be right, and the delays of clients that guess.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from netd.listeners.connection_set import ConnectionSet
from netd.listeners.http.connection.connection import Connection
from netd.listeners.http.connection.connection_state import SavedConnection
from netd.listeners.http.connection.relay import Relay
from netd.listeners.http.connection.send_queue import SavedFilePart
from netd.listeners.http.protocol.response import FilePart, Part
from netd.listeners.http.response.access_log import Entry
from netd.listeners.http.response.responder import Responder
from netd.listeners.proxy_headers import SavedProxied
from netd.runtime.descriptors import close_all
from netd.runtime.loop import Loop, Timer

_CHECK_PERIOD_S: Final = 0.01


@dataclass(frozen=True, slots=True)
class SavedService:
    """All connections of a worker, and the entries of its access log that are not written yet."""

    connections: tuple[SavedConnection, ...] = ()
    proxied: tuple[SavedProxied, ...] = ()
    log_entries: tuple[Entry, ...] = ()

    def __post_init__(self) -> None:
        uses = Counter(proxied.descriptor for proxied in self.proxied)
        for connection in self.connections:
            uses.update((connection.descriptor, *connection.files))
        if uses and max(uses.values()) > 1:
            raise ValueError("a descriptor that is used twice")


class ArrivedDescriptors:
    """The descriptors of a handover that have arrived; each one is taken once."""

    def __init__(self, descriptors: dict[int, int]) -> None:
        self._descriptors = descriptors

    def take(self, position: int) -> int | None:
        """Return a descriptor, which the caller owns then; None if it has not arrived."""
        return self._descriptors.pop(position, None)

    def take_parts(self, unsent: Iterable[bytes | SavedFilePart]) -> list[Part] | None:
        """Return the unsent parts of a connection; None if a file has not arrived."""
        unsent = tuple(unsent)
        positions = {part.descriptor for part in unsent if isinstance(part, SavedFilePart)}
        fds = {position: self.take(position) for position in positions}
        parts: list[Part] = []
        for part in unsent:
            if not isinstance(part, SavedFilePart):
                parts.append(part)
            elif (fd := fds[part.descriptor]) is not None:
                parts.append(FilePart(fd, part.offset, part.count, is_last=part.is_last))
            else:
                close_all(fd for fd in fds.values() if fd is not None)
                return None
        return parts

    def close(self) -> None:
        """Close the descriptors that were not taken."""
        close_all(self._descriptors.values())
        self._descriptors.clear()


class Preparation:
    """Waits until the connections of a service can be saved, for a limited time.

    It waits for the responses that are being made at its start; those that begin later, or take
    too long, are made again by the other process. It waits for all TLS connections to close after
    their response; the caller lets the service send `Connection: close` and accept no more of
    them. At the end the thread that writes the access log ends.
    """

    def __init__(
        self,
        loop: Loop,
        connections: ConnectionSet[Connection | Relay],
        responder: Responder,
        within_s: float,
        on_prepared: Callable[[], object],
    ) -> None:
        self._loop = loop
        self._connections = connections
        self._responder = responder
        self._deadline = loop.now + within_s
        self._on_prepared = on_prepared
        self._deferred = [connection for connection in connections if connection.is_deferred]
        self._timer: Timer | None = None
        self._await_connections()

    def cancel(self) -> None:
        """Wait no more; `on_prepared` is not called, if it was not."""
        if self._timer is not None:
            self._timer.cancel()

    def _await_connections(self) -> None:
        self._deferred = [connection for connection in self._deferred if connection.is_deferred]
        encrypted = [connection for connection in self._connections if connection.is_tls]
        for connection in encrypted:
            if isinstance(connection, Relay):
                connection.close()
            else:
                connection.close_if_idle()
        if (self._deferred or encrypted) and not self._is_late():
            self._call_soon(self._await_connections)
        else:
            self._responder.hold_log()
            self._await_log()

    def _await_log(self) -> None:
        if self._responder.is_log_written or self._is_late():
            self._on_prepared()
        else:
            self._call_soon(self._await_log)

    def _is_late(self) -> bool:
        return self._loop.now >= self._deadline

    def _call_soon(self, callback: Callable[[], object]) -> None:
        self._timer = self._loop.call_later(_CHECK_PERIOD_S, callback)
