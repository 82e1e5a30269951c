"""The transport of a listener that speaks TLS; imported by no other.

As `transport` has it: BlockingIOError where it must wait, an OSError with an errno where the peer
is gone.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import ssl
from collections.abc import Callable
from typing import Final

from netd.listeners.certificate import Certificate
from netd.listeners.http.connection.transport import forget_unsent
from netd.listeners.tls_options import TlsOptions
from netd.runtime.poller import READ, WRITE

_PROTOCOLS: Final = ("http/1.1",)  # offered by ALPN
_CHUNK_BYTES: Final = 65536


class TlsContext:
    """Puts new connections under TLS."""

    def __init__(self, options: TlsOptions) -> None:
        """Read the certificate. Raises ConfigError."""
        self._certificate = Certificate(options, _PROTOCOLS)
        self.refresh = self._certificate.refresh

    def secure(self, sock: socket.socket) -> TlsTransport:
        """Take over a connected socket. OSError where the peer has gone already."""
        return TlsTransport(sock, self._certificate.context)


class TlsTransport:
    """TLS on top; a call that is to be made again must be given the same bytes first."""

    says_farewell = True

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        self._sock = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        self._read: Callable[[int], bytes] = self._sock.read
        self._write, self.close = self._sock.write, self._sock.close

    def recv(self, max_bytes: int, /) -> bytes:
        try:
            return self._read(max_bytes)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise BlockingIOError from None
        except ssl.SSLError as error:
            raise _gone(error) from error

    def send(self, data: bytes | memoryview, _flags: int = 0, /) -> int:
        try:
            # No more than will be given again: OpenSSL remembers how much of it has gone already.
            return self._write(data[:_CHUNK_BYTES])
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
            self._read = self._sock.recv  # theirs had come; what follows it is no TLS

    def abort(self) -> None:
        forget_unsent(self._sock)


def _gone(error: ssl.SSLError) -> OSError:
    return ConnectionResetError(errno.ECONNRESET, str(error))
