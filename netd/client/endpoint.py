"""Where a chat server may be: what people write, and where to look if they write nothing; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

PORT: Final = 6667
TLS_PORT: Final = 6697
_MAX_PORT: Final = 65535
_HOST_PORT: Final = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.%\w]+)\]|(?P<host>[^\[\]:/\s\0]+))(?::(?P<port>\d{1,5}))?"
)
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host and port, or the path of a Unix socket."""

    host: str = ""
    port: int = 0
    path: str = ""

    @property
    def is_local(self) -> bool:
        """Whether it is this machine, as far as its name tells."""
        return bool(self.path) or self.host in _LOOPBACK

    def __str__(self) -> str:
        if self.path:
            return self.path
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse(text: str, *, tls: bool = False) -> Endpoint:
    """Read `tcp://host:port`, `unix:///path`, `/path`, `host:port` or `host`; or ValueError."""
    scheme, found, rest = text.partition("://")
    if not found:
        scheme, rest = ("unix" if text.startswith("/") else "tcp"), text
    if scheme == "unix" and rest.startswith("/"):
        return Endpoint(path=rest)
    match = _HOST_PORT.fullmatch(rest)
    if scheme != "tcp" or match is None:
        raise ValueError(
            f"{text!r} is no address; write host:port, tcp://host:port or unix:///path"
        )
    port = int(match["port"] or (TLS_PORT if tls else PORT))
    if not 0 < port <= _MAX_PORT:
        raise ValueError(f"{text!r}: a port is between 1 and {_MAX_PORT}")
    host = match["v6"] or match["host"]
    try:
        host.encode("idna")  # as it is looked up
    except UnicodeError as error:
        raise ValueError(f"{text!r} is no address; {host!r} cannot be a host's name") from error
    return Endpoint(host, port)


def local_endpoints(environ: Mapping[str, str]) -> tuple[Endpoint, ...]:
    """Where the local daemon may be, in the order to try."""
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    sockets = ["/run/netd/lounge.sock", *([f"{runtime}/netd/lounge.sock"] if runtime else [])]
    return (*(Endpoint(path=path) for path in sockets), Endpoint("127.0.0.1", PORT))
