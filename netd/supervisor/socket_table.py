"""The listening sockets of the whole daemon, by configured address.

Each is bound once and shared with every worker that serves it. Opening is additive; what is no
longer wanted is closed by `keep_only`. Sockets that systemd passed are taken by the name and
the address that fit, whether its socket unit opened them or it stored them for us.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from netd.config.address import Address, Scheme
from netd.config.model import ListenerOptions
from netd.errors import BindError
from netd.runtime import sockets

STORED = "stored."  # before a listener's name: the label of a socket kept in systemd's store

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
    is_ours: bool = True  # false where a socket unit opened it and will pass it again
    file: tuple[int, int] | None = None  # identity of the socket file to unlink at the end


@dataclass(frozen=True, slots=True)
class _Place:
    address: Address
    owner: str = ""  # the listener, where port 0 gives each its own


class SocketTable:
    """Opens what a configuration names and closes what it no longer names.

    A socket belongs to its address, so a listener can take over another's; only where the
    system chooses the port does it belong to the listener.
    """

    def __init__(self, passed: Iterable[tuple[str, socket.socket]] = ()) -> None:
        self._bound: dict[_Place, _Bound] = {}
        self._passed = list(passed)
        self.stored_labels = {label for label, _ in self._passed if label.startswith(STORED)}
        """What systemd's store holds of ours."""

    def open(self, name: str, options: ListenerOptions) -> None:
        """Open the addresses of a listener that are not open yet; BindError names the one."""
        for place in _places(name, options):
            if place not in self._bound:
                adopted = self._adopt(name, place.address)
                beside = self._overlapping(place.address)
                self._bound[place] = adopted or _open(place.address, options, beside)

    def of(self, name: str, options: ListenerOptions) -> list[tuple[Address, socket.socket]]:
        """Every open socket of a listener with the address it stands on."""
        places = _places(name, options)
        return [(place.address, sock) for place in places for sock in self._bound[place].sockets]

    def storable(self, name: str, options: ListenerOptions) -> list[socket.socket]:
        """The sockets worth keeping for the next process: a Unix socket's file goes with us."""
        bound = [self._bound[place] for place in _places(name, options)]
        return [sock for each in bound if each.is_ours and not each.file for sock in each.sockets]

    def bound_names(self, name: str, options: ListenerOptions) -> list[str]:
        """Where a listener really stands: ports chosen, names resolved."""
        return [sockets.bound_name(sock) for _, sock in self.of(name, options)]

    def tune(self, name: str, options: ListenerOptions) -> None:
        """Put a listener's backlog and socket file mode in force on its open sockets."""
        for place in _places(name, options):
            bound = self._bound[place]
            for sock in bound.sockets:
                if place.address.scheme.is_stream:
                    sock.listen(options.backlog)
            if bound.file and bound.file == sockets.identity(place.address.path):
                os.chmod(place.address.path, int(options.socket_mode, 8))

    def keep_only(self, listeners: Mapping[str, ListenerOptions]) -> None:
        """Close what none of these stands on; a worker's copy still serves what waits in it."""
        kept = {place for name, options in listeners.items() for place in _places(name, options)}
        for place in self._bound.keys() - kept:
            bound, address = self._bound.pop(place), place.address
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

    def _overlapping(self, address: Address) -> list[socket.socket]:
        """Ours that stand in a new address's way, such as 127.0.0.1 before a wildcard."""
        ours = [sock for bound in self._bound.values() for sock in bound.sockets]
        ours += [sock for label, sock in self._passed if label.startswith(STORED)]
        return [each for each in ours if Address.parse(sockets.bound_name(each)).overlaps(address)]

    def _adopt(self, name: str, address: Address) -> _Bound | None:
        for label in (name, STORED + name):
            wanted = [each for each in self._passed if each[0] == label]
            fitting = [each for each in wanted if _stands_on(each[1], address)]
            if fitting:
                self._passed = [each for each in self._passed if each not in fitting]
                return _Bound(tuple(sock for _, sock in fitting), is_ours=label != name)
        return None


def _places(name: str, options: ListenerOptions) -> list[_Place]:
    return [
        _Place(address, owner="" if address.port or address.scheme.is_local else name)
        for address in options.address
    ]


def _open(address: Address, options: ListenerOptions, beside: Sequence[socket.socket]) -> _Bound:
    kind = _KIND[address.scheme]
    try:
        if address.scheme.is_local:
            mode = int(options.socket_mode, 8)
            opened = sockets.open_unix(kind, address.path, mode, options.backlog)
            return _Bound((opened,), file=sockets.identity(address.path))
        host, port = address.host, address.port
        return _Bound(tuple(sockets.open_inet(kind, host, port, options.backlog, beside)))
    except BindError as error:
        raise BindError(f"{address}: {error}") from error


def _stands_on(sock: socket.socket, address: Address) -> bool:
    if sock.type != _KIND[address.scheme]:
        return False
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return bool(name == address.path and sockets.identity(address.path))
    if address.scheme.is_local or name[1] != address.port:
        return False
    found = socket.getaddrinfo(address.host, address.port, type=sock.type)
    return any(name[0] == sockaddr[0] for *_, sockaddr in found)
