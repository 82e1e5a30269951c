"""TLS on top of a Stream, with the same methods and callbacks.

The handshake and the records pass through memory (ssl.SSLObject), so that the Stream below still
sends at the end of a turn. Data that is written before the handshake is complete waits for it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import socket
import ssl
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from netd.runtime.loop import LONG_TURN_S, Loop
from netd.runtime.stream import Stream, ignore

_CHUNK_BYTES: Final = 65536
_IGNORE_CUT: Final = getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)  # a default of Python 3.11.2
_TLS12_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"  # with forward secrecy and AEAD (RFC 9325)


def open_context(
    certificate: str, key: str, protocols: Sequence[str] = (), client_ca: str = ""
) -> ssl.SSLContext:
    """Return a server's context for TLS 1.2 and 1.3; `protocols` are offered by ALPN (RFC 7301).

    With `client_ca`, a client can present a certificate, which must be in that file or be signed
    by a certificate in it. Raises OSError (ssl.SSLError is one).
    """
    context = new_context(protocols)
    context.load_cert_chain(certificate, key or None, partial(_refuse, key or certificate))
    if client_ca:
        context.load_verify_locations(client_ca)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def new_context(protocols: Sequence[str]) -> ssl.SSLContext:
    """Return a server's context without a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_TLS12_CIPHERS)
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE  # a phone may prefer ChaCha20
    context.options &= ~_IGNORE_CUT  # an end without close_notify is no end of the data
    if protocols:
        context.set_alpn_protocols(protocols)
    return context


def _refuse(path: str) -> str:
    """Replace OpenSSL's password callback, which would prompt at the terminal."""
    raise OSError(errno.EINVAL, "the key is encrypted, and netd has no password for it", path)


class TlsStream:
    """One side of a TLS connection; see Stream for methods and callbacks."""

    __slots__ = ("_early", "_fingerprint", "_incoming", "_is_ready", "_loop", "_on_closed",
                 "_on_data", "_on_end", "_outgoing", "_tls", "stream")  # fmt: skip

    def __init__(  # noqa: PLR0913 (a Stream's arguments and the context)
        self,
        loop: Loop,
        sock: socket.socket,
        *,
        context: ssl.SSLContext,
        on_data: Callable[[bytes], object],
        on_end: Callable[[], object],
        on_closed: Callable[[str], object],
        max_unsent_bytes: int,
        server_name: str = "",
    ) -> None:
        """Take over a connected socket. Raises PollerFullError.

        With the name of the server this is the client's side, which begins the handshake.
        """
        self._loop = loop
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=not server_name,
            server_hostname=server_name or None,
        )
        self._is_ready = False
        self._fingerprint = ""
        self._early: list[bytes] = []
        self._on_data, self._on_end, self._on_closed = on_data, on_end, on_closed
        self.stream = Stream(
            loop,
            sock,
            on_data=self._on_records,
            on_end=on_end,
            on_closed=self._on_stream_closed,
            max_unsent_bytes=max_unsent_bytes,
        )
        if server_name:
            with contextlib.suppress(ssl.SSLWantReadError):
                self._tls.do_handshake()
            self._send_records()

    @property
    def bytes_in(self) -> int:
        """Bytes received, with the overhead of TLS."""
        return self.stream.bytes_in

    @property
    def bytes_out(self) -> int:
        """Bytes sent, with the overhead of TLS."""
        return self.stream.bytes_out

    @property
    def has_overflowed(self) -> bool:
        """See Stream."""
        return self.stream.has_overflowed

    @property
    def unsent_bytes(self) -> int:
        """See Stream; with the overhead of TLS, and without the bytes that await the handshake."""
        return self.stream.unsent_bytes

    def pause(self) -> None:
        """See Stream."""
        self.stream.pause()

    def resume(self) -> None:
        """See Stream."""
        self.stream.resume()

    def when_drained(self, callback: Callable[[], object]) -> None:
        """See Stream."""
        self.stream.when_drained(callback)

    def fingerprint(self) -> str:
        """The SHA-256 of the client's certificate in hexadecimal; empty if it has none."""
        return self._fingerprint

    @property
    def max_unsent_bytes(self) -> int:
        """See Stream."""
        return self.stream.max_unsent_bytes

    @max_unsent_bytes.setter
    def max_unsent_bytes(self, value: int) -> None:
        self.stream.max_unsent_bytes = value

    def write(self, data: bytes) -> None:
        """Queue bytes for the end of this turn, or of the handshake."""
        if not self._is_ready:
            self._early.append(data)
        elif self.stream.accepts_writes:  # OpenSSL refuses data after close_notify
            self._tls.write(data)
            self._send_records()

    def send(self, data: bytes) -> None:
        """Queue bytes, as `write` does."""
        self.write(data)

    def flush(self) -> None:
        """See Stream."""
        self.stream.flush()

    def finish(self, reason: str) -> None:
        """Send close_notify (RFC 8446 section 6.1), and close when all bytes have been sent."""
        with contextlib.suppress(ssl.SSLError):  # the peer's close_notify is not awaited
            self._tls.unwrap()
        self._send_records()
        self.stream.finish(reason)

    def close(self, reason: str) -> None:
        """Close now; unsent bytes are lost."""
        self.stream.close(reason)

    def _on_records(self, records: bytes) -> None:
        self._incoming.write(records)
        if self._is_ready or self._loop.elapsed_s() <= LONG_TURN_S:
            self._read_records()
        else:  # a handshake takes as long as hundreds of lines, and after a restart many come
            self.stream.pause()
            self._loop.defer_output(self._read_later)

    def _read_later(self) -> None:
        if self.stream.accepts_writes:  # the owner can have closed it meanwhile
            self.stream.resume()
            self._read_records()

    def _read_records(self) -> None:
        try:
            if not self._is_ready:
                self._shake_hands()
            while self.stream.is_open and (data := self._tls.read(_CHUNK_BYTES)):
                self._on_data(data)
        except ssl.SSLWantReadError:
            self._send_records()
        except ssl.SSLError as error:
            self._send_records()  # the alert
            self.stream.finish(f"TLS: {error.reason or error}")
        else:
            self._on_end()

    def _on_stream_closed(self, reason: str) -> None:
        on_closed = self._on_closed
        self._on_data = self._on_end = self._on_closed = ignore  # as Stream.close does
        on_closed(reason)

    def _shake_hands(self) -> None:
        self._tls.do_handshake()
        self._is_ready = True
        certificate = self._tls.getpeercert(binary_form=True)  # must not be called after an error
        self._fingerprint = hashlib.sha256(certificate).hexdigest() if certificate else ""
        early, self._early = self._early, []
        for data in early:
            self.write(data)

    def _send_records(self) -> None:
        if self._outgoing.pending:
            self.stream.write(self._outgoing.read())
