"""A listener's certificate, read again when its files change.

Only listeners that speak TLS import this module: OpenSSL takes more memory than a worker.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from functools import partial

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
                lambda: open_context(options.certificate, options.key, protocols, client_ca),
            )
        except OSError as error:
            raise ConfigError((problem_of(options, error),)) from error
        self.refresh = self._files.refresh

    @property
    def context(self) -> ssl.SSLContext:
        """The context made from the files as they were last read."""
        return self._files.value

    @property
    def secure(self) -> Callable[..., TlsStream]:
        """Makes a TlsStream of a connected socket; takes the arguments of Stream."""
        return partial(TlsStream, context=self.context)


def problems(options: TlsOptions) -> tuple[Problem, ...]:
    """Check the files on this machine; the keys of the problems are relative to the listener."""
    try:
        Certificate(options)
    except ConfigError as error:
        return error.problems
    return ()


def problem_of(options: TlsOptions, error: OSError) -> Problem:
    """The problem that an error of `open_context` or stat(2) stands for."""
    key = "key" if error.filename and error.filename == options.key else "certificate"
    return Problem(f"tls.{key}", f"{getattr(options, key)}: {error.strerror or error}")
