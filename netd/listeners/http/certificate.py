"""A listener's certificate: read, and read again when its files change."""

from __future__ import annotations

import logging
import os

from netd.errors import ConfigError, Problem
from netd.listeners.http.answer import Signature, signature_of
from netd.listeners.http.options import TlsOptions
from netd.listeners.http.transport import open_context

log = logging.getLogger("netd")


class Certificate:
    """The TLS context of new connections; established ones keep the one they began with."""

    def __init__(self, options: TlsOptions) -> None:
        """Read the files. Raises ConfigError."""
        self._options = options
        try:
            self._read()
        except OSError as error:
            raise ConfigError((problem_of(options, error),)) from error

    def refresh(self) -> None:
        """Read the files again if they have changed; unreadable ones change nothing."""
        try:
            if self._look() != self._seen:
                self._read()
                log.info("certificate %s read again", self._options.certificate)
        except OSError as error:
            log.warning("%s; the certificate before stays", problem_of(self._options, error))

    def _read(self) -> None:
        self._seen = self._look()
        self.context = open_context(self._options.certificate, self._options.key)

    def _look(self) -> tuple[Signature, ...]:
        paths = filter(None, (self._options.certificate, self._options.key))
        return tuple(signature_of(os.stat(path)) for path in paths)


def problem_of(options: TlsOptions, error: OSError) -> Problem:
    """What is wrong with the files, for whoever wrote the configuration."""
    which = "key" if error.filename and error.filename == options.key else "certificate"
    return Problem(f"tls.{which}", f"{getattr(options, which)}: {error.strerror or error}")
