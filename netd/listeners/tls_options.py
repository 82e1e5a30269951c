"""The options of a listener that speaks TLS."""

from __future__ import annotations

from dataclasses import dataclass

from netd.config.annotations import FilePath, Table


@dataclass(frozen=True, kw_only=True, slots=True)
class TlsOptions(Table):
    """`[listeners.NAME.tls]`: TLS 1.2 and 1.3."""

    certificate: FilePath
    """The PEM file of the certificate chain; it is read again when it changes."""

    key: FilePath = ""
    """The PEM file of the private key; empty if the key is in the certificate's file."""
