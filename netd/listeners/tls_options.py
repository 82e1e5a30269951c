"""What a listener that speaks TLS is told."""

from __future__ import annotations

from dataclasses import dataclass

from netd.config.annotations import Table


@dataclass(frozen=True, kw_only=True, slots=True)
class TlsOptions(Table):
    """`[listeners.NAME.tls]`: TLS 1.2 and 1.3."""

    certificate: str
    """The PEM file of the certificate and those that lead to its root; it is read again when it
    changes."""

    key: str = ""
    """The PEM file of its private key; empty if that is in the certificate's file."""
