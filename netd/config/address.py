"""Addresses as people write them: `tcp://[::]:80`, `unix:///run/netd/echo.sock`.

Pure text: nothing here resolves a name or opens a socket.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address
from typing import Self


class Scheme(enum.StrEnum):
    """The transports a listener can stand on."""

    TCP = "tcp"
    UDP = "udp"
    UNIX = "unix"
    UNIXGRAM = "unixgram"

    @property
    def is_local(self) -> bool:
        """True for the transports that name a path instead of a host and port."""
        return self in (Scheme.UNIX, Scheme.UNIXGRAM)

    @property
    def is_stream(self) -> bool:
        """True where a peer connects; false where it sends datagrams."""
        return self in (Scheme.TCP, Scheme.UNIX)


STREAM_SCHEMES = frozenset({Scheme.TCP, Scheme.UNIX})
ALL_SCHEMES = frozenset(Scheme)

_ANY_IPV4 = "0.0.0.0"  # noqa: S104 (compared with, never bound)
_MAX_PORT = 65535
_MAX_SUN_PATH_BYTES = 107  # unix(7): sun_path holds 108 with its NUL
_HOST_PORT = re.compile(
    r"(?:\[(?P<v6>[\w:.]+(%[^\[\]/]+)?)\]|(?P<host>[^\[\]:/]+)):(?P<port>\d{1,5})"
)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a listener stands: a host and port, or a path, never both."""

    scheme: Scheme
    host: str = ""
    port: int = 0
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `scheme://rest`; ValueError says what is wrong and what is allowed."""
        name, found, rest = text.partition("://")
        if not found or name not in set(Scheme):
            raise ValueError(
                f"{text!r} is no address; write tcp://host:port, udp://host:port, "
                "unix:///path or unixgram:///path"
            )
        scheme = Scheme(name)
        if scheme.is_local:
            return cls(scheme, path=_checked_path(rest))
        match = _HOST_PORT.fullmatch(rest)
        if match is None:
            raise ValueError(f"{text!r} needs a host and a port, as in {name}://127.0.0.1:7000")
        port = int(match["port"])
        if port > _MAX_PORT:
            raise ValueError(f"port {port} is above {_MAX_PORT}")
        host = _checked_ipv6(match["v6"]) if match["v6"] else match["host"]
        _check_name(host)
        return cls(scheme, host=host, port=port)

    def overlaps(self, other: Address) -> bool:
        """Whether both cannot be listened on at once, a wildcard taking every host."""
        if self.scheme.is_local or other.scheme.is_local:
            return self.path == other.path
        if self.scheme is not other.scheme or self.port != other.port or not self.port:
            return False
        return self.host == other.host or _takes(self, other) or _takes(other, self)

    def __str__(self) -> str:
        if self.scheme.is_local:
            return f"{self.scheme}://{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def _takes(wildcard: Address, other: Address) -> bool:
    """`::` takes IPv4 and IPv6, 0.0.0.0 all of IPv4."""
    return wildcard.host == "::" or (wildcard.host == _ANY_IPV4 and ":" not in other.host)


def _checked_ipv6(host: str) -> str:
    """The one way to write it, so that equal addresses are equal text (RFC 5952)."""
    try:
        return str(IPv6Address(host))
    except AddressValueError as error:
        raise ValueError(f"[{host}] is no IPv6 address: {error}") from error


def _check_name(host: str) -> None:
    """Refuse what getaddrinfo(3) could not even be asked for."""
    try:
        host.encode("idna")
    except UnicodeError as error:
        raise ValueError(f"{host!r} is no host; between dots it has 1 to 63 characters") from error


def _checked_path(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError(
            f"a socket's path must be absolute, as in unix:///run/x.sock, not {path!r}"
        )
    if "\0" in path or len(path.encode()) > _MAX_SUN_PATH_BYTES:
        raise ValueError(f"a socket's path holds at most {_MAX_SUN_PATH_BYTES} bytes and no NUL")
    return path
