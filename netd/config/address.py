"""Addresses of listeners as text: `tcp://[::]:80`, `unix:///run/netd/echo.sock`.

No name is resolved and no socket is opened here.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from ipaddress import AddressValueError, IPv6Address
from typing import Self

from netd.protocols.host_port import MAX_PORT, format_host_port, is_resolvable, parse_host_port


class Scheme(enum.StrEnum):
    """The transports of a listener."""

    TCP = "tcp"
    UDP = "udp"
    UNIX = "unix"
    UNIXGRAM = "unixgram"

    @property
    def is_local(self) -> bool:
        """Whether the address is a path, not a host and port."""
        return self in (Scheme.UNIX, Scheme.UNIXGRAM)

    @property
    def is_stream(self) -> bool:
        """Whether a peer connects; otherwise it sends datagrams."""
        return self in (Scheme.TCP, Scheme.UNIX)


STREAM_SCHEMES = frozenset({Scheme.TCP, Scheme.UNIX})
ALL_SCHEMES = frozenset(Scheme)

_ANY_IPV4 = "0.0.0.0"  # noqa: S104 (only compared)
_LOOPBACK = {_ANY_IPV4: "127.0.0.1", "::": "::1"}
MAX_SUN_PATH_BYTES = 107
"""The length of a Unix socket's path: sun_path holds 108 bytes with its NUL (unix(7))."""


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a listener's socket: a host and port, or a path."""

    scheme: Scheme
    host: str = ""
    port: int = 0
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `scheme://rest`. Raises ValueError with the fault and the allowed forms."""
        name, found, rest = text.partition("://")
        if not found or name not in set(Scheme):
            forms = "tcp://host:port, udp://host:port, unix:///path or unixgram:///path"
            meant = _meant(rest or text, Scheme.TCP) or forms
            raise ValueError(f"{text!r} is not an address; write {meant}")
        scheme = Scheme(name)
        if scheme.is_local:
            return cls(scheme, path=_checked_path(rest))
        host, port = parse_host_port(rest) or ("", None)
        if port is None:
            meant = _meant(rest, scheme) or f"it as in {name}://127.0.0.1:7000"
            raise ValueError(f"{text!r} is not a host and a port; write {meant}")
        if port > MAX_PORT:
            raise ValueError(f"port {port} is above {MAX_PORT}")
        return cls(scheme, host=_checked_host(host, is_ipv6=rest.startswith("[")), port=port)

    @property
    def authority(self) -> str:
        """`host:port`, as in a URL."""
        return format_host_port(self.host, self.port)

    def to_loopback(self) -> Address:
        """Return the address for a client on this machine: loopback if the host is a wildcard."""
        return replace(self, host=_LOOPBACK.get(self.host, self.host))

    def overlaps(self, other: Address) -> bool:
        """Whether both cannot be bound at the same time; a wildcard includes every host."""
        if self.scheme.is_local or other.scheme.is_local:
            return self.path == other.path
        if self.scheme is not other.scheme or self.port != other.port or not self.port:
            return False
        return self.host == other.host or _includes(self, other) or _includes(other, self)

    def __str__(self) -> str:
        if self.scheme.is_local:
            return f"{self.scheme}://{self.path}"
        return f"{self.scheme}://{self.authority}"


def _meant(text: str, scheme: Scheme) -> str:
    """The address that a text in another form means, as `80` or `::1:80`; empty if unknown."""
    if text.startswith("/"):
        return f"{Scheme.UNIX}://{text}"
    host, _, port = text.rpartition(":")
    if not port.isdecimal():
        return ""
    if host in ("", "*"):
        return f"{scheme}://[::]:{port} for all addresses of this machine"
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    return f"{scheme}://{host}:{port}" if parse_host_port(f"{host}:{port}") else ""


def _includes(wildcard: Address, other: Address) -> bool:
    """`::` includes every IPv4 and IPv6 host, 0.0.0.0 every IPv4 host."""
    return wildcard.host == "::" or (wildcard.host == _ANY_IPV4 and ":" not in other.host)


def _checked_host(host: str, *, is_ipv6: bool) -> str:
    """The host; an IPv6 address as in RFC 5952, so that equal addresses have equal texts."""
    if is_ipv6:
        try:
            host = str(IPv6Address(host))
        except AddressValueError as error:
            raise ValueError(f"[{host}] is not an IPv6 address: {error}") from error
    if not is_resolvable(host):
        raise ValueError(f"{host!r} is not a host; between dots it has 1 to 63 characters")
    return host


def _checked_path(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError(
            f"a socket's path must be absolute, as in unix:///run/x.sock, not {path!r}"
        )
    if "\0" in path or len(path.encode()) > MAX_SUN_PATH_BYTES:
        raise ValueError(f"a socket's path holds at most {MAX_SUN_PATH_BYTES} bytes and no NUL")
    return path
