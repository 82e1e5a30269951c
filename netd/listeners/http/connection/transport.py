"""A client's socket, plain here or under TLS in `tls`, with one set of calls and of errors.

Both raise BlockingIOError where they must wait and an OSError with an errno where the peer is
gone. Neither knows what is sent.
"""

from __future__ import annotations

import os
import socket
import struct
from typing import Final, Protocol

_AT_ONCE: Final = struct.pack("ii", 1, 0)  # socket(7): linger, for no time at all


class Transport(Protocol):
    """What a connection needs of its socket."""

    says_farewell: bool
    """Whether `end` is owed to the peer before every close."""

    def recv(self, max_bytes: int, /) -> bytes:
        """What has come; empty at the peer's end."""

    def send(self, data: bytes | memoryview, flags: int = 0, /) -> int:
        """Send some of it."""

    def send_file(self, fd: int, offset: int, count: int) -> int:
        """Send some of a file; 0 where the file ends before `offset`."""

    def shake_hands(self) -> int:
        """Go on with what comes before the first byte; what to wait for, 0 once it is over."""

    def end(self) -> None:
        """Tell the peer that nothing more is sent."""

    def close(self) -> None:
        """Give back the socket."""

    def abort(self) -> None:
        """Have the kernel forget at the close what the peer has not taken."""


class PlainTransport:
    """TCP or Unix, as it is; the hot calls are the socket's own."""

    says_farewell = False

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.recv = sock.recv
        self.send = sock.send
        self.close = sock.close

    def send_file(self, fd: int, offset: int, count: int) -> int:
        return os.sendfile(self._sock.fileno(), fd, offset, count)

    def shake_hands(self) -> int:
        return 0

    def end(self) -> None:
        self._sock.shutdown(socket.SHUT_WR)

    def abort(self) -> None:
        forget_unsent(self._sock)


def forget_unsent(sock: socket.socket) -> None:
    """Have the kernel forget at the close what the peer has not taken."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
