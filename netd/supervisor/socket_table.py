"""The listening sockets of the whole daemon, by configured address.

Each is bound once and shared with every worker that serves it. Opening is additive: what a
reload opened is forgotten again with `restore`, or kept with `keep_only`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from netd.config.address import Address, Scheme
from netd.config.model import ListenerOptions
from netd.errors import BindError
from netd.runtime import sockets

_log = logging.getLogger("netd")
_KIND = {
    Scheme.TCP: socket.SOCK_STREAM,
    Scheme.UNIX: socket.SOCK_STREAM,
    Scheme.UDP: socket.SOCK_DGRAM,
    Scheme.UNIXGRAM: socket.SOCK_DGRAM,
}


@dataclass(frozen=True, slots=True)
class _Bound:
    sockets: tuple[socket.socket, ...]
    file: tuple[int, int] | None = None  # identity of the socket file to unlink at the end


class SocketTable:
    """Opens what a configuration names and closes what it no longer names."""

    def __init__(self, passed: Iterable[tuple[str, socket.socket]] = ()) -> None:
        self._bound: dict[Address, _Bound] = {}
        self._passed = list(passed)

    @property
    def addresses(self) -> frozenset[Address]:
        """Every configured address that is open."""
        return frozenset(self._bound)

    def open(self, name: str, options: ListenerOptions) -> None:
        """Open the addresses of a listener that are not open yet; BindError names the one."""
        for address in options.address:
            if address not in self._bound:
                self._bound[address] = self._adopt(name, address) or _open(address, options)

    def of(self, options: ListenerOptions) -> list[tuple[Address, socket.socket]]:
        """Every open socket of a listener with the address it stands on."""
        return [(addr, sock) for addr in options.address for sock in self._bound[addr].sockets]

    def bound_names(self, options: ListenerOptions) -> list[str]:
        """Where a listener really stands: ports chosen, names resolved."""
        return [sockets.bound_name(sock) for _, sock in self.of(options)]

    def tune(self, options: ListenerOptions) -> None:
        """Put a listener's backlog and socket file mode in force on its open sockets."""
        for address, sock in self.of(options):
            if address.scheme.is_stream:
                sock.listen(options.backlog)
            if self._bound[address].file:
                os.chmod(address.path, int(options.socket_mode, 8))

    def keep_only(self, addresses: Collection[Address]) -> None:
        """Close every other; workers that hold a copy still serve what waits in its queue."""
        for address in self.addresses.difference(addresses):
            bound = self._bound.pop(address)
            for sock in bound.sockets:
                sock.close()
            if bound.file and bound.file == sockets.identity(address.path):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(address.path)

    def forget_unclaimed(self) -> None:
        """Close passed sockets that no listener wanted, and say so."""
        for name, sock in self._passed:
            where = sockets.bound_name(sock)
            _log.warning("passed socket %s (%s) fits no listener's address; closed", name, where)
            sock.close()
        self._passed.clear()

    def _adopt(self, name: str, address: Address) -> _Bound | None:
        wanted = [
            (label, sock)
            for label, sock in self._passed
            if label == name and _stands_on(sock, address)
        ]
        for each in wanted:
            self._passed.remove(each)
        return _Bound(tuple(sock for _, sock in wanted)) if wanted else None


def _open(address: Address, options: ListenerOptions) -> _Bound:
    kind = _KIND[address.scheme]
    try:
        if address.scheme.is_local:
            mode = int(options.socket_mode, 8)
            opened = sockets.open_unix(kind, address.path, mode, options.backlog)
            return _Bound((opened,), sockets.identity(address.path))
        return _Bound(tuple(sockets.open_inet(kind, address.host, address.port, options.backlog)))
    except BindError as error:
        raise BindError(f"{address}: {error}") from error


def _stands_on(sock: socket.socket, address: Address) -> bool:
    if sock.type != _KIND[address.scheme]:
        return False
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return bool(name == address.path)
    if address.scheme.is_local or name[1] != address.port:
        return False
    found = socket.getaddrinfo(address.host, address.port, type=sock.type)
    return any(name[0] == sockaddr[0] for *_, sockaddr in found)
