"""Who a request is from: the peer, or whom a trusted proxy says it passes on."""

from __future__ import annotations

import base64
import binascii
from ipaddress import ip_address

from netd.config.model import Networks
from netd.listeners.admission import is_within
from netd.protocols.host_port import parse_host_port


def client_of(host: str, fields: dict[bytes, bytes], trusted: Networks) -> str:
    """The client's address: the last one in X-Forwarded-For that no trusted proxy has.

    `host` is the peer's, "" for a peer on a Unix socket, who is in no network and so not trusted.
    """
    forwarded = fields.get(b"x-forwarded-for", b"").decode("latin-1")
    hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
    while hops and host and is_within(host, trusted):
        try:
            host = str(ip_address(_without_port(hops.pop()).partition("%")[0]))  # a zone: any text
        except ValueError:
            break
    return host


def _without_port(hop: str) -> str:
    """Return the host of `192.0.2.1:80`, `[2001:db8::1]:80` or `[2001:db8::1]`; else `hop`."""
    parsed = parse_host_port(hop)
    return parsed[0] if parsed else hop


def credentials_of(fields: dict[bytes, bytes]) -> tuple[str, str] | None:
    """Name and password of basic authentication (RFC 7617), or None."""
    scheme, _, coded = fields.get(b"authorization", b"").partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        name, separator, password = base64.b64decode(coded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (name, password) if separator else None
