"""Connects to a listener as a client does, for `netd probe`."""

from __future__ import annotations

import socket
import time
from typing import Any

from netd.config.address import Address, Scheme
from netd.runtime.unix_connection import connect_unix


def connect(address: Address, timeout_s: float) -> socket.socket:
    """Return a socket connected to a bound address; later calls on it have the same time-out.

    Raises OSError.
    """
    if address.scheme is Scheme.UNIX:
        return connect_unix(address.path, timeout_s)
    type_ = socket.SOCK_STREAM if address.scheme.is_stream else socket.SOCK_DGRAM
    family, target = _resolve(address)
    sock = socket.socket(family, type_)
    sock.settimeout(timeout_s)
    try:
        if address.scheme is Scheme.UNIXGRAM:
            # The reply needs an address. An abstract one (unix(7), autobind) has no file, which
            # the daemon's sandbox could hide or write-protect.
            sock.bind("")
        sock.connect(target)
    except OSError:
        sock.close()
        raise
    return sock


def start_tls(sock: socket.socket) -> socket.socket:
    """Start TLS on a connected socket, without checking the server's certificate."""
    import ssl  # noqa: PLC0415 (OpenSSL, which the daemon may not need)

    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(sock)


def receive(sock: socket.socket, max_bytes: int, deadline: float) -> bytes:
    """Receive bytes before `time.monotonic()` is the deadline; later, raise TimeoutError.

    The time-out of the socket alone would not bound the time of a reply that comes in many pieces.
    """
    timeout_s = sock.gettimeout()
    remaining_s = deadline - time.monotonic()
    if remaining_s <= 0:
        raise TimeoutError("timed out")
    sock.settimeout(remaining_s)
    data = sock.recv(max_bytes)
    sock.settimeout(timeout_s)
    return data


def _resolve(address: Address) -> tuple[socket.AddressFamily, Any]:
    if address.scheme.is_local:
        return socket.AF_UNIX, address.path
    family, _, _, _, target = socket.getaddrinfo(address.to_loopback().host, address.port)[0]
    return family, target
