"""Probes an echo listener, and suggests a command that tries it."""

from __future__ import annotations

import os
import socket
import time

from netd.config.address import Address, Scheme
from netd.config.model import ListenerOptions
from netd.errors import RemoteProtocolError
from netd.listeners.probe_connection import connect, receive

_PROBE_BYTES = 64
_MAX_REPLY_BYTES = 1024  # room for a tag before the bytes


def probe(_listener: str, address: Address, timeout_s: float) -> str:
    """Send random bytes and wait until they come back; a tag before them is allowed.

    Raises RemoteProtocolError or OSError.
    """
    nonce = os.urandom(_PROBE_BYTES)
    start = time.perf_counter()
    with connect(address, timeout_s) as sock:
        sock.sendall(nonce)
        reply = _receive(sock, nonce, time.monotonic() + timeout_s)
        elapsed_ms = (time.perf_counter() - start) * 1000
    if not reply.endswith(nonce):
        raise RemoteProtocolError(f"sent {nonce!r}, but {reply!r} came back")
    return f"{len(reply)} bytes back in {elapsed_ms:.2f} ms"


def hint(address: Address, _options: ListenerOptions) -> str:
    """Return a command that tries the listener."""
    if address.scheme is Scheme.UNIX:
        return f"echo hello | nc -N -U {address.path}"
    if address.scheme is Scheme.UNIXGRAM:
        return f"echo hello | nc -W 1 -uU {address.path}"
    options = "-N" if address.scheme.is_stream else "-uW 1"
    return f"echo hello | nc {options} {address.to_loopback().host} {address.port}"


def _receive(sock: socket.socket, nonce: bytes, deadline: float) -> bytes:
    reply = b""
    while not reply.endswith(nonce) and len(reply) < _MAX_REPLY_BYTES:
        data = receive(sock, _MAX_REPLY_BYTES, deadline)
        if not data:
            break
        reply += data
    return reply
