"""Ask a listener for its first route and say what came back."""

from __future__ import annotations

import re
import socket
import time
from typing import Final

from netd.config.address import Address, Scheme
from netd.errors import NetdError

_HEAD: Final = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: netd-probe\r\nConnection: close\r\n\r\n"
)
_STATUS: Final = re.compile(rb"HTTP/1\.1 ((\d)\d\d [\x20-\x7e]*)\r\n")


def probe(_listener: str, address: Address, timeout_s: float) -> str:
    """`200 OK in 0.4 ms`; NetdError for a server error or what is no HTTP, OSError for none.

    Any answer below 500 shows a listener that is well: not every site has a page at its root.
    """
    began = time.monotonic()
    with _connect(address, timeout_s) as sock:
        sock.sendall(_HEAD)
        answer = sock.recv(4096)
    took_ms = (time.monotonic() - began) * 1000
    match = _STATUS.match(answer)
    if match is None:
        raise NetdError(f"no HTTP answer: {answer[:40]!r}")
    said = f"{match[1].decode()} in {took_ms:.1f} ms"
    if match[2] == b"5":
        raise NetdError(said)
    return said


def _connect(address: Address, timeout_s: float) -> socket.socket:
    if address.scheme is Scheme.UNIX:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(timeout_s)
        sock.connect(address.path)
        return sock
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)  # noqa: S104 (any address is asked on loopback)
    return socket.create_connection((host, address.port), timeout_s)


def hint(address: Address) -> str:
    """The curl command that asks the same."""
    if address.scheme is Scheme.UNIX:
        return f"curl --unix-socket {address.path} http://localhost/"
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(address.host, address.host)  # noqa: S104 (as above)
    host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return f"curl http://{host}:{address.port}/"
