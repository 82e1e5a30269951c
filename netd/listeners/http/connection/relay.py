"""Relays a TLS connection that was handed off: the other listener has an end of a socket pair.

The state of TLS is in OpenSSL in this process, so the connection cannot leave it.
"""

from __future__ import annotations

import math
import socket
from collections.abc import Callable
from typing import Final

from netd.listeners.http.connection.transport import Transport
from netd.runtime.errnos import CONNECTION_LOST
from netd.runtime.loop import Loop
from netd.runtime.poller import READ, WRITE

_CHUNK_BYTES: Final = 16384  # at least a record of TLS, so that OpenSSL keeps no bytes back


class Relay:
    """Passes bytes on in both directions, at most a chunk of each waits here.

    The end of one side ends the other one, after the bytes that it has sent.
    """

    __slots__ = (
        *("_fd", "_loop", "_masks", "_near", "_on_bytes", "_on_closed"),
        *("_to_client", "_to_listener", "_transport"),
    )

    deadline: Final = math.inf
    """As that of a Connection: the other listener has time limits of its own."""
    is_deferred: Final = False
    is_tls: Final = True

    def __init__(  # noqa: PLR0913 (both sides, and the owner's part)
        self,
        loop: Loop,
        fd: int,
        transport: Transport,
        near: socket.socket,
        *,
        on_bytes: Callable[[int, int], object],
        on_closed: Callable[[Relay], object],
    ) -> None:
        """Take over both sides. `on_bytes` gets how many bytes the client has sent and got."""
        near.setblocking(False)
        self._loop = loop
        self._fd, self._transport, self._near = fd, transport, near
        self._on_bytes, self._on_closed = on_bytes, on_closed
        self._to_client = self._to_listener = b""
        self._masks: dict[int, int] = {}
        self._watch()

    @property
    def is_open(self) -> bool:
        """True until both sides are closed."""
        return self._fd >= 0

    def idle_since(self) -> None:
        """None: a relay makes no room for other connections."""

    def give_way(self) -> None:
        """Stay open, as `idle_since` says."""

    def close_if_idle(self) -> None:
        """Stay open: the other listener ends it."""

    def on_deadline(self) -> None:
        """Never called."""

    def close(self) -> None:
        """Close both sides now."""
        if self.is_open:
            for fd in self._masks:
                self._loop.unwatch(fd)
            self._fd = -1
            self._transport.close()
            self._near.close()
            self._on_closed(self)

    def _on_ready(self, _mask: int) -> None:
        try:
            self._pass_to_listener()
            if self.is_open:
                self._pass_to_client()
        except OSError as error:
            if error.errno not in CONNECTION_LOST:
                raise
            self.close()
        if self.is_open:
            self._watch()

    def _pass_to_listener(self) -> None:
        try:
            if not self._to_listener:
                self._to_listener = self._transport.recv(_CHUNK_BYTES)
                if not self._to_listener:
                    self.close()
                    return
                self._on_bytes(len(self._to_listener), 0)
            sent = self._near.send(self._to_listener)
        except BlockingIOError:
            return
        self._to_listener = self._to_listener[sent:]

    def _pass_to_client(self) -> None:
        try:
            if not self._to_client:
                self._to_client = self._near.recv(_CHUNK_BYTES)
                if not self._to_client:
                    self._transport.shutdown()
                    self.close()
                    return
            sent = self._transport.send(self._to_client)
        except BlockingIOError:
            return
        self._on_bytes(0, sent)
        self._to_client = self._to_client[sent:]

    def _watch(self) -> None:
        self._watch_side(self._fd, is_full=bool(self._to_listener), has_more=bool(self._to_client))
        near = self._near.fileno()
        self._watch_side(near, is_full=bool(self._to_client), has_more=bool(self._to_listener))

    def _watch_side(self, fd: int, *, is_full: bool, has_more: bool) -> None:
        """Read from a side unless its bytes wait here; write to it if there are some for it.

        A descriptor with nothing to wait for is not watched: a hang-up would be reported again and
        again.
        """
        mask = (0 if is_full else READ) | (WRITE if has_more else 0)
        if not mask and fd in self._masks:
            self._loop.unwatch(fd)
            del self._masks[fd]
        elif mask and fd not in self._masks:
            self._loop.watch(fd, mask, self._on_ready)
            self._masks[fd] = mask
        elif mask and self._masks[fd] != mask:
            self._loop.modify(fd, mask)
            self._masks[fd] = mask
