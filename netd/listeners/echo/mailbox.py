"""Carries connections from slots to their worker, through one Unix socket that all slots share.

The descriptor of a connection travels with SCM_RIGHTS, unix(7), and so do the bytes that are to be
sent: in a memory file, because up to a mebibyte is more than a message can hold. A slot sends its
message at once, or not at all if it is killed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from netd.errors import StateError
from netd.listeners.echo.paused_connection import open_socket
from netd.runtime import sealed_memory
from netd.runtime.errnos import OUT_OF_RESOURCES

_HEADER: Final = struct.Struct("qqq?")  # row, number, bytes to be sent, whether tagged
_MAX_DESCRIPTORS: Final = 2
_MAX_UNSENT_BYTES: Final = 2**24
_TEMPORARY: Final = OUT_OF_RESOURCES | {errno.ETOOMANYREFS}  # too many descriptors on their way
_PAUSE_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Delivery:
    """A connection that a slot was interrupted in."""

    index: int  # the slot's row of the scoreboard
    number: int  # the number of the connection in that row
    tag: bool
    sock: socket.socket
    unsent: bytes


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
                self._send(_HEADER.pack(index, number, len(unsent), tag), conn, unsent)
            except OSError as error:
                if error.errno not in _TEMPORARY:
                    raise
                time.sleep(_PAUSE_S)
            else:
                return

    def deliver(self) -> None:
        """Receive all connections that have arrived, in the worker."""
        while True:
            try:
                header, descriptors, _, _ = socket.recv_fds(
                    self.inlet, _HEADER.size, _MAX_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC
                )
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
    index, number, size, tag = _HEADER.unpack(header)
    sock = open_socket(descriptors[0]) if descriptors else None
    unsent = b""
    for fd in descriptors[1:]:
        with contextlib.suppress(StateError):
            unsent = sealed_memory.read(fd, _MAX_UNSENT_BYTES)
        os.close(fd)
    if sock is None:
        return None
    if len(unsent) < size:
        sock.close()
        return None
    return Delivery(index, number, tag, sock, unsent)
