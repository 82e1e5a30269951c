"""A listener's certificate: reading it, and reading it again when its files change.

Imported where a listener speaks TLS only: OpenSSL weighs more than a worker.
"""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Callable, Sequence
from functools import partial

from netd.errors import ConfigError, Problem
from netd.listeners.tls_options import TlsOptions
from netd.runtime.file import Signature, signature_of
from netd.runtime.tls import TlsStream, open_context

log = logging.getLogger("netd")


class Certificate:
    """The TLS context of new connections; established ones keep the one they began with."""

    def __init__(
        self, options: TlsOptions, protocols: Sequence[str] = (), client_ca: str = ""
    ) -> None:
        """Read the files; `protocols` are offered by ALPN (RFC 7301). Raises ConfigError.

        `client_ca` is the file of the certificates that clients may show, or of their signers.
        """
        self._options = options
        self._client_ca = client_ca
        self._protocols = protocols
        self._trouble = ""
        try:
            self._read()
        except OSError as error:
            raise ConfigError((problem_of(options, error),)) from error

    @property
    def secure(self) -> Callable[..., TlsStream]:
        """Makes a connected socket a stream, with a Stream's arguments."""
        return partial(TlsStream, context=self.context)

    def refresh(self) -> None:
        """Read the files again if they have changed; unreadable ones change nothing.

        What is wrong with them is told once, not at every look.
        """
        trouble, self._trouble = self._trouble, ""
        try:
            if self._look() != self._seen:
                self._read()
                log.info("certificate %s read again", self._options.certificate)
        except OSError as error:
            self._trouble = str(problem_of(self._options, error))
            if self._trouble != trouble:
                log.warning("%s; the certificate before stays", self._trouble)

    def _read(self) -> None:
        self._seen = self._look()
        options = self._options
        self.context: ssl.SSLContext = open_context(
            options.certificate, options.key, self._protocols, self._client_ca
        )

    def _look(self) -> tuple[Signature, ...]:
        paths = filter(None, (self._options.certificate, self._options.key, self._client_ca))
        return tuple(signature_of(os.stat(path)) for path in paths)


def problems(options: TlsOptions) -> tuple[Problem, ...]:
    """What keeps this machine's files from being used, with keys relative to the listener."""
    try:
        open_context(options.certificate, options.key)
    except OSError as error:
        return (problem_of(options, error),)
    return ()


def problem_of(options: TlsOptions, error: OSError) -> Problem:
    """What is wrong with the files, for whoever wrote the configuration."""
    which = "key" if error.filename and error.filename == options.key else "certificate"
    return Problem(f"tls.{which}", f"{getattr(options, which)}: {error.strerror or error}")
