"""TLS on top of a Stream, with a Stream's own calls.

The handshake and the records go through memory (ssl.SSLObject), so the stream below keeps its
one rule: what is written in a turn leaves at its end. What is written before the handshake is
over waits for it.
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

from netd.runtime.loop import Loop
from netd.runtime.stream import Stream

_CHUNK_BYTES: Final = 65536


def open_context(
    certificate: str, key: str, protocols: Sequence[str] = (), client_ca: str = ""
) -> ssl.SSLContext:
    """TLS 1.2 and 1.3 with this certificate chain, the protocols named by ALPN (RFC 7301).

    With `client_ca`, a client may show a certificate, which must be in that file or be signed
    by one that is.

    Raises OSError, ssl.SSLError among them.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if protocols:
        context.set_alpn_protocols(protocols)
    context.load_cert_chain(certificate, key or None, partial(_refuse, key or certificate))
    if client_ca:
        context.load_verify_locations(client_ca)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def _refuse(path: str) -> str:
    """In place of OpenSSL's own way, which waits for somebody at the terminal."""
    raise OSError(errno.EINVAL, "the key is encrypted; netd asks nobody for its password", path)


class TlsStream:
    """The server's side of a TLS connection; its callbacks are a Stream's."""

    __slots__ = ("_early", "_fingerprint", "_incoming", "_is_ready", "_on_data", "_on_end",
                 "_outgoing", "_tls", "stream")  # fmt: skip

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
    ) -> None:
        """Take over a connected socket. Raises PollerFullError where it cannot be watched."""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._is_ready = False
        self._fingerprint = ""
        self._early: list[bytes] = []
        self._on_data, self._on_end = on_data, on_end
        self.stream = Stream(
            loop,
            sock,
            on_data=self._on_records,
            on_end=on_end,
            on_closed=on_closed,
            max_unsent_bytes=max_unsent_bytes,
        )

    @property
    def bytes_in(self) -> int:
        """Bytes received, TLS's own included."""
        return self.stream.bytes_in

    @property
    def bytes_out(self) -> int:
        """Bytes sent, TLS's own included."""
        return self.stream.bytes_out

    @property
    def has_overflowed(self) -> bool:
        """Whether the stream was closed because too many bytes waited to be sent."""
        return self.stream.has_overflowed

    def fingerprint(self) -> str:
        """SHA-256 of the certificate the client has shown, in hexadecimal; empty for none."""
        return self._fingerprint

    @property
    def max_unsent_bytes(self) -> int:
        """How many bytes may wait to be sent before the connection is cut."""
        return self.stream.max_unsent_bytes

    @max_unsent_bytes.setter
    def max_unsent_bytes(self, value: int) -> None:
        self.stream.max_unsent_bytes = value

    def write(self, data: bytes) -> None:
        """Queue bytes for the end of this turn; a stream that is closing takes no more."""
        if not self._is_ready:
            self._early.append(data)
        elif self.stream.takes_more:  # OpenSSL refuses what comes after its own last word
            self._tls.write(data)
            self._pass_on()

    def send(self, data: bytes) -> None:
        """Write what a turn has gathered."""
        self.write(data)

    def finish(self, why: str) -> None:
        """Close once everything written has been sent, after saying so (RFC 8446 6.1)."""
        with contextlib.suppress(ssl.SSLError):  # its own notice is still to come
            self._tls.unwrap()
        self._pass_on()
        self.stream.finish(why)

    def close(self, why: str) -> None:
        """Close now; what was not sent is lost."""
        self.stream.close(why)

    def _on_records(self, records: bytes) -> None:
        self._incoming.write(records)
        try:
            if not self._is_ready:
                self._shake_hands()
            while self.stream.is_open and (data := self._tls.read(_CHUNK_BYTES)):
                self._on_data(data)
        except ssl.SSLWantReadError:
            self._pass_on()
        except ssl.SSLError as error:
            self._pass_on()  # the alert
            self.stream.finish(f"TLS: {error.reason or error}")
        else:
            self._on_end()

    def _shake_hands(self) -> None:
        self._tls.do_handshake()
        self._is_ready = True
        shown = self._tls.getpeercert(binary_form=True)  # not to be asked after an error
        self._fingerprint = hashlib.sha256(shown).hexdigest() if shown else ""
        early, self._early = self._early, []
        for data in early:
            self.write(data)

    def _pass_on(self) -> None:
        if self._outgoing.pending:
            self.stream.write(self._outgoing.read())
