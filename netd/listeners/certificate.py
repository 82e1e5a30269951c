"""A listener's certificate, read again when its files change.

Only listeners that speak TLS import this module: OpenSSL takes more memory than a worker.
"""

from __future__ import annotations

import errno
import re
import ssl
import time
from collections.abc import Callable, Sequence
from functools import partial

from netd.config.regular_file import read_regular_file
from netd.errors import ConfigError, Problem
from netd.listeners.tls_options import TlsOptions
from netd.runtime.tls import TlsStream, open_context
from netd.runtime.watched_files import WatchedFiles


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
                lambda: _open(options, protocols, client_ca),
            )
        except OSError as error:
            raise ConfigError((_problem_of(options, client_ca, error),)) from error
        self.refresh = self._files.refresh

    @property
    def context(self) -> ssl.SSLContext:
        """The context made from the files as they were last read."""
        return self._files.value

    @property
    def secure(self) -> Callable[..., TlsStream]:
        """Makes a TlsStream of a connected socket; takes the arguments of Stream."""
        return partial(TlsStream, context=self.context)


def problems(options: TlsOptions, client_ca: str = "") -> tuple[Problem, ...]:
    """Check the files on this machine; the keys of the problems are relative to the listener.

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


def _open(options: TlsOptions, protocols: Sequence[str], client_ca: str) -> ssl.SSLContext:
    """Open the files. Raises OSError with the name of the file, which OpenSSL's errors lack."""
    key = options.key or options.certificate
    _require(options.certificate, "CERTIFICATE")
    _require(key, "PRIVATE KEY")
    try:
        context = open_context(options.certificate, options.key, protocols)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
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
    # The documented API shows the dates of a peer's certificate only.
    decoded = ssl._ssl._test_decode_cert(certificate)  # type: ignore[attr-defined]  # noqa: SLF001
    if now > ssl.cert_time_to_seconds(decoded["notAfter"]):
        return f"expired on {decoded['notAfter']}"
    if now < ssl.cert_time_to_seconds(decoded["notBefore"]):
        return f"is not valid before {decoded['notBefore']}"
    return ""
