"""Takes the connections that HTTP workers hand off, and shakes hands on them (WebSocket)."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import Callable
from typing import Final

from netd.errors import LocalProtocolError
from netd.protocols.handoff import MAX_HANDOFF_BYTES, Handoff, parse_handoff
from netd.protocols.websocket import format_refusal
from netd.runtime.descriptors import close_all, receive
from netd.runtime.errnos import OUT_OF_RESOURCES, describe
from netd.runtime.loop import Loop
from netd.runtime.poller import READ

_BATCH: Final = 16  # in one turn, so that open connections are served too
_PAUSE_S: Final = 0.1

_log = logging.getLogger("netd")


class HandoffReceiver:
    """Calls `on_handoff(sock, handoff)` for each connection in the queue.

    `sock` is non-blocking and belongs to the callee.
    """

    def __init__(
        self,
        loop: Loop,
        queue: socket.socket,
        on_handoff: Callable[[socket.socket, Handoff], object],
    ) -> None:
        """Take connections from the exit of a queue, which stays open."""
        self._loop = loop
        self._queue = queue
        self._on_handoff = on_handoff
        self._is_open = True
        loop.watch(queue.fileno(), READ, self._on_ready)

    def close(self) -> None:
        """Take the connections that wait, and no more."""
        if self._is_open:
            while self._take():
                pass
            self._is_open = False
            self._loop.unwatch(self._queue.fileno())

    def _on_ready(self, _mask: int) -> None:
        for _ in range(_BATCH):
            if not self._take():
                return

    def _take(self) -> bool:
        """Take one connection. Returns whether another may wait."""
        try:
            os.close(os.dup(self._queue.fileno()))  # without room, the record would come alone
            record, fds = receive(self._queue, MAX_HANDOFF_BYTES, 1)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in OUT_OF_RESOURCES:
                raise
            self._pause(error)
            return False
        if not record:  # the supervisor has closed the queue
            self._loop.modify(self._queue.fileno(), 0)
            return False
        self._pass_on(record, fds)
        return True

    def _pass_on(self, record: bytes, fds: list[int]) -> None:
        try:
            handoff = parse_handoff(record)
        except LocalProtocolError as error:
            _log.error("%s", error)
            close_all(fds)
            return
        for fd in fds:
            try:
                sock = socket.socket(fileno=fd)
            except OSError as error:
                _log.warning("a connection is lost: %s", describe(error))
                os.close(fd)
            else:
                sock.setblocking(False)
                self._on_handoff(sock, handoff)

    def _pause(self, error: OSError) -> None:
        _log.warning("cannot take a connection: %s; connections wait", describe(error))
        self._loop.modify(self._queue.fileno(), 0)
        self._loop.call_later(_PAUSE_S, self._resume)

    def _resume(self) -> None:
        if self._is_open:
            self._loop.modify(self._queue.fileno(), READ)


def refuse_upgrade(sock: socket.socket, reason: str) -> None:
    """Send the reason as an HTTP response, if the socket takes it at once, and close."""
    send_and_close(sock, format_refusal(b"503 Service Unavailable", reason, b"Retry-After: 10"))


def send_and_close(sock: socket.socket, response: bytes) -> None:
    """Send a response, if the socket takes it at once, and close."""
    with contextlib.suppress(OSError):
        sock.send(response)
    sock.close()
