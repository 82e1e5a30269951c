"""A client's socket without TLS; `tls_transport` has the same calls with TLS.

Both raise BlockingIOError if they would have to wait, and an OSError with an errno if the peer
has gone.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import termios
from typing import Final, Protocol

_LINGER_ZERO: Final = struct.pack("ii", 1, 0)  # socket(7), SO_LINGER: on, for 0 seconds

_INT: Final = struct.Struct("i")


class Transport(Protocol):
    """The operations of a socket that a connection uses."""

    has_close_notify: bool
    """Whether `shutdown` must come before every close, as a sign to the peer that all was sent."""

    is_encrypted: bool
    """Whether the handshake has begun, so that no other process can continue with the socket."""

    def recv(self, max_bytes: int, /) -> bytes:
        """Receive the bytes that have arrived; empty at end of file."""

    def send(self, data: bytes | memoryview, flags: int = 0, /) -> int:
        """Send some of the data; returns how many bytes."""

    def send_file(self, fd: int, offset: int, count: int) -> int:
        """Send some of a file; returns 0 if the file ends before `offset`."""

    def handshake(self) -> int:
        """Continue the handshake; returns the event to wait for, 0 once it is complete.

        Raises PlainRequestError if the client speaks HTTP without TLS.
        """

    def shutdown(self) -> None:
        """Send the peer the end of the stream; nothing may be sent after it."""

    def close(self) -> None:
        """Close the socket."""

    def unreceived(self) -> int:
        """The number of sent bytes that the peer's system has not received yet."""

    def discard_unsent(self) -> None:
        """Make the next close discard what the peer has not received, and reset the connection."""


class PlainRequestError(Exception):
    """A client has sent a request without TLS to a listener with TLS."""

    def __init__(self, transport: PlainTransport) -> None:
        """`transport` has taken over the socket."""
        self.transport = transport


class PlainTransport:
    """A TCP or Unix socket. `recv` and `send` are the socket's own methods, for speed."""

    has_close_notify = False
    is_encrypted = False

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.recv = sock.recv
        self.send = sock.send
        self.close = sock.close

    def send_file(self, fd: int, offset: int, count: int) -> int:
        return os.sendfile(self._sock.fileno(), fd, offset, count)

    def handshake(self) -> int:
        return 0

    def shutdown(self) -> None:
        self._sock.shutdown(socket.SHUT_WR)

    def unreceived(self) -> int:
        return unreceived(self._sock)

    def discard_unsent(self) -> None:
        discard_unsent(self._sock)


def unreceived(sock: socket.socket) -> int:
    """The number of sent bytes that the peer's system has not received yet (tcp(7), SIOCOUTQ)."""
    count = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(_INT.size))
    return int(_INT.unpack(count)[0])


def discard_unsent(sock: socket.socket) -> None:
    """Make the next close discard what the peer has not received, and reset the connection."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
