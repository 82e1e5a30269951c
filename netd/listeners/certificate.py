"""A listener's certificate, read again when its files change.

Only listeners that speak TLS import this module: OpenSSL takes more memory than a worker.
"""

from __future__ import annotations

import errno
import re
import ssl
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from netd.config.regular_file import read_regular_file
from netd.errors import ConfigError, Problem
from netd.listeners.tls_options import TlsOptions
from netd.runtime.tls import TlsStream, new_context, open_context
from netd.runtime.watched_files import WatchedFiles

# OpenSSL's reasons for a key of another certificate: of the same type, and of another one.
_MISMATCHES: Final = {"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"}
# ACME clients renew when half or a third of the lifetime is left. With a quarter left, or 14 days
# of a longer one, renewals have failed for some time.
_OVERDUE_SHARE: Final = 4
_OVERDUE_S: Final = 14 * 86400


@dataclass(frozen=True, slots=True)
class _Content:
    """The content of the files of a certificate."""

    context: ssl.SSLContext
    names: tuple[str, ...]
    expires_at: int  # in seconds since the epoch
    overdue_at: int  # when a renewal is overdue


class Certificate:
    """The TLS context of new connections; established connections keep theirs."""

    def __init__(
        self, options: TlsOptions, protocols: Sequence[str] = (), client_ca: str = ""
    ) -> None:
        """Read the files. Raises ConfigError.

        `protocols` are offered by ALPN (RFC 7301). `client_ca` is a file of the certificates
        that clients may present, or of their issuers.
        """
        paths = [path for path in (options.certificate, options.key, client_ca) if path]
        try:
            self._files = WatchedFiles(
                f"certificate {options.certificate}",
                paths,
                lambda: _read(options, protocols, client_ca),
            )
        except OSError as error:
            raise ConfigError((_problem_of(options, client_ca, error),)) from error
        self.refresh = self._files.refresh

    @property
    def context(self) -> ssl.SSLContext:
        """The context made from the files as they were last read."""
        return self._files.value.context

    @property
    def names(self) -> Sequence[str]:
        """The host names that it is for, in lower case; `*.example.org` is a wildcard."""
        return self._files.value.names

    @property
    def moments(self) -> dict[str, int]:
        """Its end, and when its renewal is overdue, as moments of Counters."""
        content = self._files.value
        return {
            "certificate_expiry": content.expires_at,
            "certificate_renewal": content.overdue_at,
        }

    @property
    def secure(self) -> Callable[..., TlsStream]:
        """Makes a TlsStream of a connected socket; takes the arguments of Stream."""
        return partial(TlsStream, context=self.context)


class TicketContexts:
    """The contexts whose keys make the session tickets of listeners, by protocols of ALPN.

    OpenSSL makes the keys with a context, and Python cannot set them. A process that makes the
    context before it forks shares the keys with its children: a client's session can be resumed
    by each of them, and after a certificate was renewed. No context verifies clients: the session
    of a client that one listener has verified must not be resumed by another one.
    """

    def __init__(self) -> None:
        self._made: dict[tuple[str, ...], ssl.SSLContext] = {}

    def share(self, protocols: Sequence[str]) -> None:
        """Make the context that processes forked from now on will share."""
        if tuple(protocols) not in self._made:
            self._made[tuple(protocols)] = new_context(protocols)

    def get(self, protocols: Sequence[str]) -> ssl.SSLContext:
        """The shared context; a new one if none is shared."""
        return self._made.get(tuple(protocols)) or new_context(protocols)


TICKET_CONTEXTS: Final = TicketContexts()


class CertificateSet:
    """The certificates of a listener; the name that a client requests selects one of them."""

    def __init__(self, options: Sequence[TlsOptions], protocols: Sequence[str]) -> None:
        """Read the files of at least one certificate. Raises ConfigError, as Certificate does."""
        sys.unraisablehook = _show_unraisable
        self._certificates = [Certificate(one, protocols) for one in options]
        self._by_name = self._index()
        self.context = TICKET_CONTEXTS.get(protocols)
        """The context of new connections. It has no certificate: `_select` replaces it."""
        self.context.sni_callback = self._select

    @property
    def moments(self) -> dict[str, int]:
        """The earliest moments of its certificates, as moments of Counters."""
        found = [certificate.moments for certificate in self._certificates]
        return {name: min(moments[name] for moments in found) for name in found[0]}

    def refresh(self) -> None:
        """Read the files again that have changed."""
        changed = [certificate for certificate in self._certificates if certificate.refresh()]
        if changed:
            self._by_name = self._index()

    def _index(self) -> Mapping[str, ssl.SSLContext]:
        """The context for each name in the certificates; the first one that has a name counts."""
        by_name: dict[str, ssl.SSLContext] = {}
        for certificate in self._certificates:
            for name in certificate.names:
                by_name.setdefault(name, certificate.context)
        return by_name

    def _select(self, tls: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        """Use the certificate that has the name, or a wildcard for it (RFC 9525 section 6.3).

        Without one it is the first certificate.
        """
        wanted = (name or "").lower()
        found = self._by_name.get(wanted) or self._by_name.get(f"*.{wanted.partition('.')[2]}")
        tls.context = found or self._certificates[0].context


def _show_unraisable(unraisable: sys.UnraisableHookArgs) -> None:
    """Show an exception as Python does, unless a client has requested a name that is not ASCII.

    Python decodes the name before it calls `sni_callback`, and would print a traceback for each
    such client; its handshake fails, and is counted, all the same.
    """
    is_name = isinstance(unraisable.object, bytes)
    if not (is_name and isinstance(unraisable.exc_value, UnicodeDecodeError)):
        sys.__unraisablehook__(unraisable)


def problems(options: TlsOptions, client_ca: str = "") -> tuple[Problem, ...]:
    """Check the files on this machine; the keys of the problems begin with `tls`.

    A certificate that has expired, or is not yet valid, gives a warning: the listener serves it.
    """
    try:
        Certificate(options, client_ca=client_ca)
    except ConfigError as error:
        return error.problems
    fault = _why_not_valid(options.certificate, time.time())
    if not fault:
        return ()
    return (Problem("tls.certificate", f"{options.certificate} {fault}", is_warning=True),)


def _read(options: TlsOptions, protocols: Sequence[str], client_ca: str) -> _Content:
    """Read the files. Raises OSError."""
    context = _open(options, protocols, client_ca)
    decoded = _decode(options.certificate)
    names = decoded.get("subjectAltName", ())
    begins_at, expires_at = (
        int(ssl.cert_time_to_seconds(decoded[key])) for key in ("notBefore", "notAfter")
    )
    return _Content(
        context,
        tuple(name.lower() for kind, name in names if kind == "DNS"),
        expires_at,
        expires_at - min((expires_at - begins_at) // _OVERDUE_SHARE, _OVERDUE_S),
    )


def _open(options: TlsOptions, protocols: Sequence[str], client_ca: str) -> ssl.SSLContext:
    """Open the files. Raises OSError with the name of the file, which OpenSSL's errors lack."""
    key = options.key or options.certificate
    _require(options.certificate, "CERTIFICATE")
    _require(key, "PRIVATE KEY")
    try:
        context = open_context(options.certificate, options.key, protocols)
    except ssl.SSLError as error:
        if error.reason in _MISMATCHES:
            text = f"The key does not fit the certificate {options.certificate}"
            raise OSError(errno.EINVAL, text, key) from error
        raise
    if not client_ca:
        return context
    _require(client_ca, "CERTIFICATE")
    try:
        return open_context(options.certificate, options.key, protocols, client_ca)
    except ssl.SSLError as error:
        raise OSError(errno.EINVAL, error.strerror, client_ca) from error


def _require(path: str, label: str) -> None:
    """Raise OSError unless a file can be read and has a PEM block (RFC 7468) of this label."""
    if not re.search(rb"-----BEGIN [A-Z0-9 ]*%s-----" % label.encode(), read_regular_file(path)):
        raise OSError(errno.EINVAL, f"Has no {label.lower()} in PEM form", path)


def _problem_of(options: TlsOptions, client_ca: str, error: OSError) -> Problem:
    keys = {client_ca: "client_ca", options.key: "key", options.certificate: "certificate"}
    path = error.filename or options.certificate
    return Problem(f"tls.{keys[path]}", f"{path}: {error.strerror or error}")


def _why_not_valid(certificate: str, now: float) -> str:
    """Whether a certificate has expired or is not yet valid; empty if it is valid."""
    decoded = _decode(certificate)
    if now > ssl.cert_time_to_seconds(decoded["notAfter"]):
        return f"expired on {decoded['notAfter']}"
    if now < ssl.cert_time_to_seconds(decoded["notBefore"]):
        return f"is not valid before {decoded['notBefore']}"
    return ""


def _decode(certificate: str) -> dict[str, Any]:
    """The content of a file's first certificate, in the form of `SSLSocket.getpeercert`."""
    # The documented API decodes the certificate of a peer only.
    decoded: dict[str, Any] = ssl._ssl._test_decode_cert(certificate)  # type: ignore[attr-defined]  # noqa: SLF001
    return decoded
