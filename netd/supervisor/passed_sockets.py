"""The sockets that a process gets at its start: from a socket unit, or from its predecessor.

A socket of a socket unit has the name of its listener as its label. That of a stored one has a
prefix, and for a Unix socket the identity of its file: `stored.web`, `stored.lounge/28-5f1`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import Iterator
from typing import Final

from netd.config.address import Address, Scheme
from netd.runtime.errnos import describe
from netd.runtime.sockets import bound_name, encoded, file_identity

STORED: Final = "stored."
"""The prefix of the labels of stored sockets."""
SOCKET_KIND: Final = {
    Scheme.TCP: socket.SOCK_STREAM,
    Scheme.UNIX: socket.SOCK_STREAM,
    Scheme.UDP: socket.SOCK_DGRAM,
    Scheme.UNIXGRAM: socket.SOCK_DGRAM,
}

_log = logging.getLogger("netd")


def label_of(name: str, file: tuple[int, int] | None) -> str:
    """The label in the store for a listener's socket; `file` is the identity of its file."""
    return STORED + (f"{name}/{_text(file)}" if file else name)


def refuse_clients(label: str, sock: socket.socket) -> None:
    """Stop listening on a socket of which the service manager has a copy."""
    _log.warning(
        "passed socket %s (%s) fits no listener's address; connections are refused. "
        "Either add the address to listeners.%s and restart the socket unit and netd, "
        "or stop the socket unit",
        *(label, bound_name_of(sock, "unknown address"), label),
    )
    with contextlib.suppress(OSError):  # ENOTCONN: a datagram socket
        sock.shutdown(socket.SHUT_RDWR)


def unlink_stored(label: str, sock: socket.socket) -> None:
    """Remove the file of a stored Unix socket, unless it belongs to another socket by now."""
    path = sock.getsockname() if sock.family == socket.AF_UNIX else ""
    if path and label.endswith(f"/{_text(file_identity(path))}"):
        with log_error(f"{path}: cannot remove the file"):
            os.unlink(path)


def is_of_unit(passed: tuple[str, socket.socket], name: str, address: Address) -> bool:
    """Whether a socket of a socket unit is that of a listener's address."""
    label, sock = passed
    return label == name and _is_bound_to(sock, address)


def is_stored(passed: tuple[str, socket.socket], name: str, address: Address) -> bool:
    """Whether a stored socket is that of an address; its listener may have another name now."""
    label, sock = passed
    if not label.startswith(STORED):
        return False
    owner, _, file = label.removeprefix(STORED).partition("/")
    if address.scheme.is_local:
        is_same_file = file == _text(file_identity(address.path))
        return is_same_file and _is_bound_to(sock, address)
    return _is_bound_to(sock, address, any_port=owner == name and not address.port)


@contextlib.contextmanager
def log_error(text: str) -> Iterator[None]:
    """Log an OSError as a warning."""
    try:
        yield
    except OSError as error:
        _log.warning("%s: %s", text, describe(error))


def bound_name_of(sock: socket.socket, fallback: str) -> str:
    """The address that a socket is bound to, or `fallback` if it cannot be read."""
    try:
        return bound_name(sock)
    except OSError:
        return fallback


def _text(file: tuple[int, int] | None) -> str:
    return f"{file[0]:x}-{file[1]:x}" if file else ""


def _is_bound_to(sock: socket.socket, address: Address, *, any_port: bool = False) -> bool:
    if sock.type != SOCKET_KIND[address.scheme]:
        return False
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return bool(name == address.path and file_identity(address.path))
    if address.scheme.is_local or not (any_port or name[1] == address.port):
        return False
    found = socket.getaddrinfo(encoded(address.host), address.port, type=sock.type)
    return any(name[0] == sockaddr[0] for *_, sockaddr in found)
