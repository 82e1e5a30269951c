"""The sender of a request: its address, also behind proxies, and its credentials."""

from __future__ import annotations

import base64
import binascii
from ipaddress import ip_address

from netd.config.model import Networks
from netd.listeners.admission import is_within
from netd.protocols.host_port import parse_host_port


def client_of(host: str, fields: dict[bytes, bytes], trusted: Networks) -> str:
    """Return the client's address: the last one in X-Forwarded-For that is not a trusted proxy.

    `host` is the peer's address. It is empty for a peer on a Unix socket, which is never trusted.
    """
    forwarded = fields.get(b"x-forwarded-for", b"").decode("latin-1")
    hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
    while hops and host and is_within(host, trusted):
        try:
            # A zone (RFC 4007 section 11) may be any text.
            host = str(ip_address(_without_port(hops.pop()).partition("%")[0]))
        except ValueError:
            break
    return host


def is_forwarded_securely(host: str, fields: dict[bytes, bytes], trusted: Networks) -> bool:
    """Whether the peer is a trusted proxy that says its client uses TLS (X-Forwarded-Proto)."""
    is_proxied = bool(host) and is_within(host, trusted)
    return is_proxied and fields.get(b"x-forwarded-proto", b"").lower() == b"https"


def _without_port(hop: str) -> str:
    """Return the host of `192.0.2.1:80`, `[2001:db8::1]:80` or `[2001:db8::1]`; else `hop`."""
    parsed = parse_host_port(hop)
    return parsed[0] if parsed else hop


def credentials_of(fields: dict[bytes, bytes]) -> tuple[str, str] | None:
    """Return name and password of basic authentication (RFC 7617), or None."""
    scheme, _, encoded = fields.get(b"authorization", b"").partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        name, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (name, password) if colon else None
