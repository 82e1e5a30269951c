"""A client's socket, plain or under TLS, with one set of calls and one set of errors.

Both raise BlockingIOError where they must wait and an OSError with an errno where the peer is
gone. Neither knows what is sent.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import ssl
import struct
from typing import Final, Protocol

from netd.runtime.poller import READ, WRITE

GONE: Final = frozenset(
    {
        *(errno.EPIPE, errno.ECONNRESET, errno.ECONNABORTED, errno.ETIMEDOUT, errno.ENOTCONN),
        *(errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN),
    }
)
"""The peer, or the way to it, is no more; nothing that is ours to mend."""

_AT_ONCE: Final = struct.pack("ii", 1, 0)  # socket(7): linger, for no time at all
_CHUNK_BYTES: Final = 65536


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


class Plain:
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
        _forget_unsent(self._sock)


class Tls:
    """TLS on top; a call that is to be made again must be given the same bytes first."""

    says_farewell = True

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        """Take over a connected socket. OSError where the peer has gone already."""
        self._sock = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        self.close = self._sock.close

    def recv(self, max_bytes: int, /) -> bytes:
        try:
            return self._sock.recv(max_bytes)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise BlockingIOError from None
        except ssl.SSLError as error:
            raise _gone(error) from error

    def send(self, data: bytes | memoryview, _flags: int = 0, /) -> int:
        try:
            return self._sock.send(data)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise BlockingIOError from None
        except ssl.SSLError as error:
            raise _gone(error) from error

    def send_file(self, fd: int, offset: int, count: int) -> int:
        data = os.pread(fd, min(count, _CHUNK_BYTES), offset)
        return self.send(data) if data else 0

    def shake_hands(self) -> int:
        try:
            self._sock.do_handshake()
        except ssl.SSLWantReadError:
            return READ
        except ssl.SSLWantWriteError:
            return WRITE
        except ssl.SSLError as error:
            raise _gone(error) from error
        return 0

    def end(self) -> None:
        with contextlib.suppress(ssl.SSLError):  # our word goes out; theirs is not waited for
            self._sock.unwrap()

    def abort(self) -> None:
        _forget_unsent(self._sock)


def _forget_unsent(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)


def _gone(error: ssl.SSLError) -> OSError:
    return ConnectionResetError(errno.ECONNRESET, str(error))
