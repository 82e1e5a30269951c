"""The transport of a listener with TLS; imported only if a listener has it.

As in `transport`: BlockingIOError if a call would have to wait, an OSError with an errno if the
peer has gone.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Final

from netd.listeners.certificate import TICKET_CONTEXTS, CertificateSet
from netd.listeners.http.connection.transport import (
    PlainRequestError,
    PlainTransport,
    discard_unsent,
    unreceived,
)
from netd.listeners.tls_options import TlsOptions
from netd.runtime.poller import READ, WRITE
from netd.runtime.sockets import adopt

_ALPN: Final = ("http/1.1",)
_CHUNK_BYTES: Final = 65536


def share_tickets() -> None:
    """Let processes that are forked from now on resume sessions of each other's clients."""
    TICKET_CONTEXTS.share(_ALPN)


class TlsContext:
    """Makes the transports of new connections."""

    def __init__(self, options: Sequence[TlsOptions]) -> None:
        """Read the certificates. Raises ConfigError."""
        self._certificates = CertificateSet(options, _ALPN)
        self.refresh = self._certificates.refresh

    @property
    def moments(self) -> dict[str, int]:
        """When a certificate expires, and when its renewal is overdue, as moments of Counters."""
        return self._certificates.moments

    def wrap(self, sock: socket.socket) -> TlsTransport:
        """Take over a connected socket. Raises OSError if the peer has gone already."""
        return TlsTransport(sock, self._certificates.context)


class TlsTransport:
    """A TLS socket. A `send` that raised BlockingIOError must be repeated with the same bytes."""

    has_close_notify = True

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        self._sock = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        self.is_encrypted = False
        # Not the socket's own methods: they only call these, in a twentieth of a request's time.
        tls = self._sock._sslobj  # type: ignore[attr-defined]  # noqa: SLF001 (see above)
        self._read: Callable[[int], bytes] = tls.read
        self._write: Callable[[bytes | memoryview], int] = tls.write
        self.close = self._sock.close

    def recv(self, max_bytes: int, /) -> bytes:
        try:
            return self._read(max_bytes)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise BlockingIOError from None
        except ssl.SSLError as error:
            raise _lost(error) from error

    def send(self, data: bytes | memoryview, _flags: int = 0, /) -> int:
        try:
            # OpenSSL remembers how many bytes of the call it has encrypted: pass no more bytes
            # than the repeated call will have.
            return self._write(data[:_CHUNK_BYTES])
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise BlockingIOError from None
        except ssl.SSLError as error:
            raise _lost(error) from error

    def send_file(self, fd: int, offset: int, count: int) -> int:
        data = os.pread(fd, min(count, _CHUNK_BYTES), offset)
        return self.send(data) if data else 0

    def handshake(self) -> int:
        if not self.is_encrypted:
            first = self._first_byte()
            if first is None:
                return READ
            if first.isalpha():
                raise PlainRequestError(PlainTransport(adopt(self._sock.detach())))
        self.is_encrypted = True
        try:
            self._sock.do_handshake()
        except ssl.SSLWantReadError:
            return READ
        except ssl.SSLWantWriteError:
            return WRITE
        except ssl.SSLError as error:
            raise _lost(error) from error
        return 0

    def _first_byte(self) -> bytes | None:
        """The first byte, which stays unread; None if none has arrived."""
        try:
            return socket.socket.recv(self._sock, 1, socket.MSG_PEEK)
        except BlockingIOError:
            return None

    def shutdown(self) -> None:
        with contextlib.suppress(ssl.SSLError):  # close_notify is sent; the peer's may be missing
            self._sock.unwrap()
            self._read = self._sock.recv  # the peer's has arrived; the bytes after it are not TLS

    def unreceived(self) -> int:
        return unreceived(self._sock)

    def discard_unsent(self) -> None:
        discard_unsent(self._sock)


def _lost(error: ssl.SSLError) -> OSError:
    return ConnectionResetError(errno.ECONNRESET, str(error))
