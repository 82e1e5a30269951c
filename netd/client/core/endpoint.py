"""The addresses of chat servers: parses one, and lists those of a local daemon."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from netd.protocols.host_port import MAX_PORT, format_host_port, is_resolvable, parse_host_port

PORT: Final = 6667
TLS_PORT: Final = 6697
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host and port, or the path of a Unix socket."""

    host: str = ""
    port: int = 0
    path: str = ""

    @property
    def is_local(self) -> bool:
        """Whether the address itself shows that it is on this machine."""
        return bool(self.path) or self.host in _LOOPBACK

    def __str__(self) -> str:
        if self.path:
            return self.path
        return format_host_port(self.host, self.port)


def parse(text: str, *, tls: bool = False) -> Endpoint:
    """Parse `tcp://host:port`, `unix:///path`, `/path`, `host:port` or `host`.

    Raises ValueError with a message for the user.
    """
    scheme, found, rest = text.partition("://")
    if not found:
        scheme, rest = ("unix" if text.startswith("/") else "tcp"), text
    if scheme == "unix" and rest.startswith("/"):
        return Endpoint(path=rest)
    parsed = parse_host_port(rest)
    if scheme != "tcp" or parsed is None:
        raise ValueError(
            f"{text!r} is not an address; write host:port, tcp://host:port or unix:///path"
        )
    host, port = parsed
    if port is None:
        port = TLS_PORT if tls else PORT
    if not 0 < port <= MAX_PORT:
        raise ValueError(f"{text!r}: a port is between 1 and {MAX_PORT}")
    if not is_resolvable(host):
        raise ValueError(f"{text!r} is not an address; {host!r} cannot be a host's name")
    return Endpoint(host, port)


def local_endpoints(environ: Mapping[str, str]) -> tuple[Endpoint, ...]:
    """Return the addresses that a local daemon may listen on, in the order to try them."""
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    sockets = ["/run/netd/lounge.sock", *([f"{runtime}/netd/lounge.sock"] if runtime else [])]
    return (*(Endpoint(path=path) for path in sockets), Endpoint("127.0.0.1", PORT))
