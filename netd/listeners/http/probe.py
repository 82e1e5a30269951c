"""Ask a listener for its first route and say what came back."""

from __future__ import annotations

import re
import time
from typing import Final

from netd.config.address import Address, Scheme
from netd.config.model import ListenerOptions
from netd.errors import NetdError
from netd.listeners.http.options import HttpOptions
from netd.listeners.probe_connection import connect, start_tls

_HEAD: Final = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: netd-probe\r\nConnection: close\r\n\r\n"
)
_STATUS: Final = re.compile(rb"HTTP/1\.1 ((\d)\d\d [\x20-\x7e]*)\r\n")


def probe(_listener: str, address: Address, timeout_s: float) -> str:
    """`200 OK in 0.4 ms`; NetdError for a server error or what is no HTTP, OSError for none.

    Any answer below 500 shows a listener that is well: not every site has a page at its root.
    """
    began = time.monotonic()
    answer = _ask(address, timeout_s, is_tls=False)
    if not answer.startswith(b"HTTP/"):
        answer = _ask(address, timeout_s, is_tls=True)
    took_ms = (time.monotonic() - began) * 1000
    match = _STATUS.match(answer)
    if match is None:
        raise NetdError(f"no HTTP answer: {answer[:40]!r}")
    said = f"{match[1].decode()} in {took_ms:.1f} ms"
    if match[2] == b"5":
        raise NetdError(said)
    return said


def _ask(address: Address, timeout_s: float, *, is_tls: bool) -> bytes:
    """The beginning of an answer; nothing where the listener speaks only the other way."""
    with connect(address, timeout_s) as sock:
        if not is_tls:
            sock.sendall(_HEAD)
            try:
                return sock.recv(4096)
            except ConnectionResetError:
                return b""
        with start_tls(sock) as secured:
            secured.sendall(_HEAD)
            return secured.recv(4096)


def hint(address: Address, options: ListenerOptions) -> str:
    """The curl command that asks the same, and not who the server is either."""
    assert isinstance(options, HttpOptions)
    command, scheme = ("curl", "http") if options.tls is None else ("curl -k", "https")
    if address.scheme is Scheme.UNIX:
        return f"{command} --unix-socket {address.path} {scheme}://localhost/"
    return f"{command} {scheme}://{address.to_loopback().authority}/"
