"""Carries connections from slots to their worker, through one Unix socket that all slots share.

The descriptor of a connection travels with SCM_RIGHTS, unix(7), and so does the memory file of the
bytes that are to be sent. A slot sends its message whole, or not at all if it is killed.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from netd.listeners.echo.paused_connection import open_socket
from netd.runtime import sealed_memory
from netd.runtime.descriptors import close_all, receive
from netd.runtime.errnos import SHORT_OF_PASSAGE

_HEADER: Final = struct.Struct("qq??")  # row, number, whether tagged, whether bytes are to be sent
_MAX_DESCRIPTORS: Final = 2
_PAUSE_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Delivery:
    """A connection that a slot was interrupted in."""

    index: int  # the slot's row of the scoreboard
    number: int  # the number of the connection in that row
    tag: bool
    sock: socket.socket
    unsent: int | None  # see PausedConnection


class Mailbox:
    """The two ends of the socket; forked slots keep one of them, `outlet`, open."""

    def __init__(self, on_delivery: Callable[[Delivery | None], object]) -> None:
        """`on_delivery` gets each connection, or None for one that is lost.

        A connection is lost if the worker has no descriptor left for it.
        """
        self._on_delivery = on_delivery
        self.inlet, self.outlet = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.inlet.setblocking(False)

    def post(
        self, index: int, number: int, conn: socket.socket, unsent: bytes, *, tag: bool
    ) -> None:
        """Send a connection, in a slot; the caller closes it then. Waits for free memory."""
        while True:
            try:
                self._send(_HEADER.pack(index, number, tag, bool(unsent)), conn, unsent)
            except OSError as error:
                if error.errno not in SHORT_OF_PASSAGE:
                    raise
                time.sleep(_PAUSE_S)
            else:
                return

    def deliver(self) -> None:
        """Receive all connections that have arrived, in the worker."""
        while True:
            try:
                header, descriptors = receive(self.inlet, _HEADER.size, _MAX_DESCRIPTORS)
            except BlockingIOError:
                return
            self._on_delivery(_open(header, descriptors))

    def _send(self, header: bytes, conn: socket.socket, unsent: bytes) -> None:
        descriptors = [conn.fileno()]
        with contextlib.ExitStack() as opened:
            if unsent:
                descriptors.append(sealed_memory.seal(unsent, "netd-echo"))
                opened.callback(os.close, descriptors[-1])
            socket.send_fds(self.outlet, [header], descriptors)


def _open(header: bytes, descriptors: list[int]) -> Delivery | None:
    index, number, tag, has_unsent = _HEADER.unpack(header)
    sock, unsent = (*descriptors, None, None)[:2]
    if sock is None or (has_unsent and unsent is None):
        close_all(descriptors)
        return None
    opened = open_socket(sock)
    assert opened is not None, "a slot has sent another descriptor"
    return Delivery(index, number, tag, opened, unsent)
