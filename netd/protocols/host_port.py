"""Hosts and ports as text: `example.com:80`, `[::1]:80` (RFC 3986 section 3.2)."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

MAX_PORT: Final = 65535
_IPV6_SITE_BITS: Final = 64  # a site can use any address of its /64
_LABELS: Final = re.compile(r"(?:[^.]{1,63}\.)*[^.]{0,63}")
_PATTERN: Final = re.compile(
    r"(?:\[(?P<v6>[\w:.]+(?:%[^\[\]/]+)?)\]|(?P<host>[^\[\]:/\s\0]+))(?::(?P<port>\d{1,5}))?"
)


def parse_host_port(text: str) -> tuple[str, int | None] | None:
    """Split `host:port`; the port is None if it is absent.

    Brackets around an IPv6 address are required, and removed. Returns None for any other form.
    """
    match = _PATTERN.fullmatch(text)
    if match is None:
        return None
    return match["v6"] or match["host"], int(match["port"]) if match["port"] else None


def format_host_port(host: str, port: int) -> str:
    """Return `host:port`, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_resolvable(host: str) -> bool:
    """Whether getaddrinfo(3) accepts the host: between dots it has 1 to 63 characters (IDNA)."""
    if host.isascii():  # the codec would load its tables, and answer the same
        return _LABELS.fullmatch(host) is not None
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return True


def unmap_ipv4(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address that an IPv6 address maps (`::ffff:192.0.2.1`), or the address."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def source_of(host: str) -> int | str:
    """Return the key under which an address is limited: itself, or the /64 of an IPv6 address.

    An IPv4-mapped IPv6 address counts as IPv4; "" (a Unix socket) stays as it is.
    """
    if ":" not in host:
        return host
    address = unmap_ipv4(ip_address(host))
    if isinstance(address, IPv6Address):
        return int(address) >> _IPV6_SITE_BITS
    return str(address)
