"""The addresses of sockets: host names resolved, and which of them exclude each other."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterable
from dataclasses import replace

from netd.config.address import Address
from netd.errors import BindError
from netd.runtime import sockets
from netd.supervisor.passed_sockets import SOCKET_KIND


def resolve(address: Address) -> list[Address]:
    """The address with each number that its host name resolves to. Raises BindError."""
    if address.scheme.is_local:
        return [address]
    try:
        found = sockets.resolve(SOCKET_KIND[address.scheme], address.host, address.port)
    except BindError as error:
        raise BindError(f"{address}: {error}") from error
    return [replace(address, host=sockaddr[0]) for _, sockaddr in found]


def bound_address(sock: socket.socket) -> Address | None:
    """The address that a socket is bound to; None if the interface of a link-local one is gone."""
    try:
        return Address.parse(sockets.bound_name(sock))
    except (OSError, ValueError):
        return None


def overlap(some: Iterable[Address | None], others: Iterable[Address]) -> bool:
    """Whether sockets of two of these addresses, one of each side, exclude each other."""
    pairs = itertools.product(some, others)
    return any(address is not None and address.overlaps(other) for address, other in pairs)


def taken(address: Address, owner: str, other: Address) -> str:
    """The message for an address that a listener has under another name."""
    return f"{address} is taken by listeners.{owner} ({other})"
