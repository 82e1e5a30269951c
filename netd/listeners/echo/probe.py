"""Tries an echo listener as a client would."""

from __future__ import annotations

import os
import socket
import time
from typing import Any

from netd.config.address import Address, Scheme
from netd.config.model import ListenerOptions
from netd.errors import RemoteProtocolError

_PROBE_BYTES = 64
_MAX_ANSWER_BYTES = 1024  # room for a tag before the bytes


def probe(_listener: str, address: Address, timeout_s: float) -> str:
    """Send a few random bytes and wait for them; a tag before them is allowed.

    Raises RemoteProtocolError or OSError.
    """
    nonce = os.urandom(_PROBE_BYTES)
    with _open(address, timeout_s) as sock:
        if address.scheme is Scheme.UNIXGRAM:  # an answer needs a name to go to
            sock.bind("")  # one of no file, which netd may not see or may not write to: unix(7)
        start = time.perf_counter()
        sock.connect(_where(address))
        sock.sendall(nonce)
        answer = _receive(sock, nonce)
        elapsed_ms = (time.perf_counter() - start) * 1000
    if not answer.endswith(nonce):
        raise RemoteProtocolError(f"sent {nonce!r}, but {answer!r} came back")
    return f"{len(answer)} bytes back in {elapsed_ms:.2f} ms"


def hint(address: Address, _options: ListenerOptions) -> str:
    """A command that tries the listener."""
    if address.scheme is Scheme.UNIX:
        return f"echo hello | nc -N -U {address.path}"
    if address.scheme is Scheme.UNIXGRAM:
        return f"echo hello | nc -W 1 -uU {address.path}"
    options = "-N" if address.scheme.is_stream else "-uW 1"
    return f"echo hello | nc {options} {address.host} {address.port}"


def _open(address: Address, timeout_s: float) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    sock = socket.socket(
        socket.AF_UNIX if address.scheme.is_local else family,
        socket.SOCK_STREAM if address.scheme.is_stream else socket.SOCK_DGRAM,
    )
    sock.settimeout(timeout_s)
    return sock


def _where(address: Address) -> Any:  # noqa: ANN401 (as socket.connect takes it)
    if address.scheme.is_local:
        return address.path
    return socket.getaddrinfo(address.host, address.port)[0][4]  # with its interface, if any


def _receive(sock: socket.socket, nonce: bytes) -> bytes:
    answer = b""
    while not answer.endswith(nonce) and len(answer) < _MAX_ANSWER_BYTES:
        piece = sock.recv(_MAX_ANSWER_BYTES)
        if not piece:
            break
        answer += piece
    return answer
