"""Reads the files with which a listener logs in to its engine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from netd.errors import ConfigError, Problem
from netd.listeners.chat.cluster.engine_address import parse_engine
from netd.listeners.chat.cluster.options import ClusterOptions
from netd.listeners.chat.cluster.redis_connection import Credentials


def read_credentials(options: ClusterOptions) -> Credentials:
    """The password, and what is needed for TLS. Raises ConfigError if a file cannot be used."""
    password, context = read_password(options), None
    if any(parse_engine(url).is_tls for url in options.engine):
        import ssl  # noqa: PLC0415 (OpenSSL, if needed)

        with _naming("ca_file", options.ca_file):
            context = ssl.create_default_context(cafile=options.ca_file or None)
    return Credentials(password, context)


def read_password(options: ClusterOptions) -> str:
    """The password, empty for none. Raises ConfigError if the file cannot be used."""
    if not options.password_file:
        return ""
    with _naming("password_file", options.password_file):
        return Path(options.password_file).read_text(encoding="utf-8").strip()


@contextlib.contextmanager
def _naming(key: str, path: str) -> Iterator[None]:
    """Raise ConfigError with the key of a file that cannot be used."""
    try:
        yield
    except (OSError, UnicodeDecodeError) as error:  # an SSLError is an OSError
        reason = getattr(error, "strerror", "") or str(error)
        raise ConfigError((Problem(f"cluster.{key}", f"{path}: {reason}"),)) from error
