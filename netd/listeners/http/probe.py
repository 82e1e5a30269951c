"""`netd probe` for HTTP: one request for `/`, and a command or page to try."""

from __future__ import annotations

import re
import socket
import time
from typing import Final
from urllib.parse import quote

from netd.config.address import Address, Scheme
from netd.errors import NetdError
from netd.listeners.http.options import HttpOptions
from netd.listeners.http.route_options import RouteOptions
from netd.listeners.probe_connection import connect, receive, start_tls

_REQUEST: Final = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: netd-probe\r\nConnection: close\r\n\r\n"
)
_REFUSED: Final = b"HTTP/1.1 400 "  # by a listener with TLS, or by one with a fault
_PROTOCOL: Final = b"HTTP/"
_MAX_REPLY_BYTES: Final = 4096
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.1 ((\d)\d\d [\x20-\x7e]*)\r\n")


def probe(_listener: str, address: Address, timeout_s: float) -> str:
    """Return `200 OK in 0.4 ms`.

    A status below 500 shows a listener that works: `/` need not exist. Raises NetdError for a
    server error or a reply that is not HTTP, OSError if there is no reply.
    """
    started = time.monotonic()
    reply = _request(address, timeout_s, is_tls=False)
    if not reply.startswith(_PROTOCOL) or reply.startswith(_REFUSED):
        try:
            reply = _request(address, timeout_s, is_tls=True)
        except OSError:
            if not reply:
                raise
    took_ms = (time.monotonic() - started) * 1000
    match = _STATUS_LINE.match(reply)
    if match is None:
        raise NetdError(f"no HTTP response: {reply[:40]!r}")
    result = f"{match[1].decode()} in {took_ms:.1f} ms"
    if match[2] == b"5":
        raise NetdError(result)
    return result


def _request(address: Address, timeout_s: float, *, is_tls: bool) -> bytes:
    """Return the beginning of the reply; empty if a TLS listener reset a plain connection."""
    with connect(address, timeout_s) as sock:
        if not is_tls:
            sock.sendall(_REQUEST)
            try:
                return _receive_status_line(sock, timeout_s)
            except ConnectionResetError:
                return b""
        with start_tls(sock) as secured:
            secured.sendall(_REQUEST)
            return _receive_status_line(secured, timeout_s)


def _receive_status_line(sock: socket.socket, timeout_s: float) -> bytes:
    """Receive a reply, in one piece or many, until it has a line or is not HTTP."""
    deadline, reply = time.monotonic() + timeout_s, b""
    while _PROTOCOL.startswith(reply[: len(_PROTOCOL)]) and b"\n" not in reply:
        data = receive(sock, _MAX_REPLY_BYTES, deadline)
        reply += data
        if not data or len(reply) > _MAX_REPLY_BYTES:
            break
    return reply


def hint(address: Address, options: HttpOptions) -> str:
    """Return a command that uses the listener; like the probe it checks no certificate.

    The page of a chat is for a browser.
    """
    route = _hinted_route(options.routes)
    host, path = route.host[0] if route.host else "", quote(route.path)
    command, scheme = ("curl", "http") if not options.tls else ("curl -k", "https")
    if address.scheme is Scheme.UNIX:
        return f"{command} --unix-socket {address.path} {scheme}://{host or 'localhost'}{path}"
    reached = address.to_loopback().authority
    if host:  # curl connects to the address, and requests the host
        return f"{command} --connect-to ::{reached} {scheme}://{host}:{address.port}{path}"
    url = f"{scheme}://{reached}{path}"
    return f"{url} in a browser" if route.chat is not None else f"{command} {url}"


def _hinted_route(routes: tuple[RouteOptions, ...]) -> RouteOptions:
    return min(routes, key=_obstacles, default=RouteOptions(text=""))


def _obstacles(route: RouteOptions) -> tuple[bool, ...]:
    """The faults of a route as an example, the worst first: no GET, or not of each host."""
    is_page = route.chat is not None
    return (
        *(route.post is not None, bool(route.host)),
        *(not is_page, bool(route.users), route.path != "/"),
    )
