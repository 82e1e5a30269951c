"""The listening sockets of the whole daemon, by configured address.

Each socket is bound once and shared with all workers of its listener. `open` only adds sockets;
`keep_only` closes those that the configuration no longer names. A socket that systemd passed,
from a socket unit or from its descriptor store, is used if its name and its address match.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from netd.config.address import Address
from netd.config.model import ListenerOptions
from netd.errors import BindError
from netd.runtime import sockets
from netd.supervisor.passed_sockets import (
    SOCKET_KIND,
    STORED,
    bound_name_of,
    is_of_unit,
    is_stored,
    label_of,
    log_error,
    refuse_clients,
    unlink_stored,
)
from netd.supervisor.socket_addresses import bound_address, overlap, resolve, taken

_log = logging.getLogger("netd")


@dataclass(frozen=True, slots=True)
class _Bound:
    sockets: tuple[socket.socket, ...]
    is_ours: bool = True  # false if a socket unit opened it; the unit passes it again
    file: tuple[int, int] | None = None  # identity of our socket's file, to unlink it at the end
    passed: tuple[tuple[str, socket.socket], ...] = ()  # the same sockets, if they were passed


@dataclass(frozen=True, slots=True)
class _Place:
    address: Address
    owner: str = ""  # the listener, for port 0: then each listener has its own port


class SocketTable:
    """Opens the addresses that a configuration names, and closes those it no longer names.

    A socket belongs to its address, so a listener can take over the socket of another one. Only
    if the system chooses the port (port 0) does the socket belong to its listener.
    """

    def __init__(self, passed: Iterable[tuple[str, socket.socket]] = ()) -> None:
        self._bound: dict[_Place, _Bound] = {}
        self._passed = list(passed)
        self._opened: list[Address] = []  # by this process
        self._is_settled = False  # until the passed sockets that are not used are closed

    def open(self, listeners: Mapping[str, ListenerOptions]) -> None:
        """Open the addresses that these listeners name and that are not open yet.

        Raises BindError; also if two of them name the same address in different ways, such as
        `localhost` and 127.0.0.1. An open socket that none of them names is about to be closed,
        so its port can be bound already.
        """
        wanted = _owners(listeners)
        # Port 0 last: any stored socket of its listener would fit, that of another address too.
        for place in sorted(wanted, key=lambda place: bool(place.owner)):
            if place not in self._bound:
                name = wanted[place]
                adopted = self._adopt(name, place.address)
                opened = adopted or self._open(place.address, listeners[name], wanted)
                self._bound[place] = opened
                if adopted is None:
                    self._opened.append(place.address)

    def of(self, name: str, options: ListenerOptions) -> list[tuple[Address, socket.socket]]:
        """Every open socket of a listener, with its configured address."""
        places = _places(name, options)
        return [(place.address, sock) for place in places for sock in self._bound[place].sockets]

    def storable(self, listeners: Mapping[str, ListenerOptions]) -> dict[str, list[socket.socket]]:
        """The sockets of these listeners to store over a restart, by their labels in the store.

        A socket unit passes its own sockets again. Only if the file of a Unix socket still belongs
        to it can the next process serve its clients.
        """
        labelled: dict[str, list[socket.socket]] = {}
        for name, options in listeners.items():
            for place in _places(name, options):
                bound = self._bound[place]
                if bound.is_ours and bound.file == sockets.file_identity(place.address.path):
                    labelled.setdefault(label_of(name, bound.file), []).extend(bound.sockets)
        return labelled

    def bound_names(self, name: str, options: ListenerOptions) -> list[str]:
        """The addresses that a listener is bound to: host names resolved, port 0 chosen."""
        return [bound_name_of(sock, str(address)) for address, sock in self.of(name, options)]

    def datagram_names(self) -> tuple[int | str, ...]:
        """The UDP ports and the Unix paths of all datagram sockets, sorted."""
        names = []
        for bound in self._bound.values():
            for sock in bound.sockets:
                if sock.type == socket.SOCK_DGRAM:
                    with log_error("cannot find the address of a datagram socket"):
                        names.append(sock.getsockname())
        return tuple(
            sorted({name if isinstance(name, str) else name[1] for name in names}, key=str)
        )

    def tune(self, name: str, options: ListenerOptions) -> None:
        """Apply a listener's backlog and socket file mode to its open sockets.

        An error is logged and changes nothing else: the sockets serve already.
        """
        for place in _places(name, options):
            bound, address = self._bound[place], place.address
            for sock in bound.sockets if address.scheme.is_stream else ():
                with log_error(f"{address}: cannot set the backlog"):
                    sock.listen(options.backlog)
            if bound.file and bound.file == sockets.file_identity(address.path):
                with log_error(f"{address}: cannot set the mode"):
                    os.chmod(address.path, int(options.socket_mode, 8))

    def leave_files(self) -> None:
        """Let the files of all Unix sockets stay when the sockets are closed, for a restart."""
        for place, bound in self._bound.items():
            self._bound[place] = replace(bound, file=None)

    def keep_only(self, listeners: Mapping[str, ListenerOptions]) -> None:
        """Close the sockets that none of these listeners names.

        A draining worker's copy of a socket still serves the connections in its queue. An error
        is logged, and the rest is closed. Before `close_unclaimed`, a passed socket is not closed:
        if a configuration cannot be put in force, another one or the next process takes it.

        A socket of a socket unit then refuses clients, since systemd has a copy of it; but not if
        no listener is left: systemd starts a daemon that has stopped for its next client.
        """
        owners = _owners(listeners)
        removed = {place: self._bound.pop(place) for place in self._bound.keys() - owners.keys()}
        renamed = {sock for bound in self._bound.values() for sock in bound.sockets}
        for place, bound in removed.items():
            if bound.passed and not self._is_settled:
                self._passed += [entry for entry in bound.passed if entry[1] not in renamed]
                continue
            address = place.address
            for label, sock in bound.passed if listeners and not bound.is_ours else ():
                if sock not in renamed:
                    refuse_clients(label, sock)
            for sock in set(bound.sockets) - renamed:
                with log_error(f"{address}: cannot close"):
                    sock.close()
            if bound.file and bound.file == sockets.file_identity(address.path):
                with log_error(f"{address}: cannot remove the file"):
                    os.unlink(address.path)

    def restore_files(self, listeners: Mapping[str, ListenerOptions]) -> list[str]:
        """Open a new socket in place of each Unix socket whose file was removed.

        Returns the listeners whose sockets are new. An error is logged, and the reload continues.
        """
        restored = []
        for name, options in listeners.items():
            for place in _places(name, options):
                bound, address = self._bound[place], place.address
                if bound.file is None or sockets.file_identity(address.path):
                    continue
                try:
                    self._bound[place] = _open_unix(address, options)
                except BindError as error:
                    _log.warning("%s: its file was removed: %s", address, error)
                    continue
                _log.warning("%s: its file was removed; there is a new one", address)
                restored.append(name)
                for sock in bound.sockets:
                    sock.close()
        return restored

    def report_missing(self) -> None:
        """Log the addresses that the previous process served and did not pass on.

        Before version 254, systemd does not say how many descriptors it stores.
        """
        for address in self._opened:
            text = "%s was not passed on: connections were refused; is %s too small?"
            _log.warning(text, address, "FileDescriptorStoreMax=")

    def close_unclaimed(self) -> None:
        """Close the passed sockets that match no listener's address, with a warning.

        systemd has a copy of a socket unit's socket, which would let clients connect and wait for
        ever; after shutdown(2) they are refused.
        """
        self._is_settled = True
        for label, sock in self._passed:
            if label.startswith(STORED):
                unlink_stored(label, sock)
            else:
                refuse_clients(label, sock)
            sock.close()
        self._passed.clear()

    def _open(
        self, address: Address, options: ListenerOptions, wanted: Mapping[_Place, str]
    ) -> _Bound:
        resolved = resolve(address)
        try:
            if address.scheme.is_local:
                return _open_unix(address, options)
            # With port 0 by its name, because all its numbers get the same port.
            numeric = resolved if address.port else [address]
            return _Bound(self._open_inet(numeric, options.backlog, wanted))
        except BindError as error:
            for place in self._bound.keys() & wanted.keys():
                if overlap(map(bound_address, self._bound[place].sockets), resolved):
                    raise BindError(taken(address, wanted[place], place.address)) from error
            raise BindError(f"{address}: {error}", error.errno) from error

    def _open_inet(
        self, addresses: Sequence[Address], backlog: int, wanted: Mapping[_Place, str]
    ) -> tuple[socket.socket, ...]:
        """Open the addresses while the sockets that they replace are still open.

        A replaced socket that is bound to exactly the same address is taken over, so that the
        connections in its queue are not lost.
        """
        leaving = [bound for place, bound in self._bound.items() if place not in wanted]
        ours = [sock for bound in leaving if bound.is_ours for sock in bound.sockets]
        stored = [sock for label, sock in self._passed if label.startswith(STORED)]
        found: list[socket.socket] = []
        try:
            for address in addresses:
                same = [sock for sock in ours if bound_address(sock) == address]
                beside = [s for s in (*ours, *stored) if overlap([bound_address(s)], [address])]
                kind, host, port = SOCKET_KIND[address.scheme], address.host, address.port
                found += same or sockets.open_inet(kind, host, port, backlog, beside)
        except BindError:
            for sock in found:
                if sock not in ours:
                    sock.close()
            raise
        return tuple(found)

    def _adopt(self, name: str, address: Address) -> _Bound | None:
        """Take the passed sockets of an address: those of a socket unit, or the stored ones."""
        for fits in (is_of_unit, is_stored):
            found = [passed for passed in self._passed if fits(passed, name, address)]
            if found:
                self._passed = [passed for passed in self._passed if passed not in found]
                file = sockets.file_identity(address.path) if fits is is_stored else None
                socks = tuple(sock for _, sock in found)
                return _Bound(socks, fits is is_stored, file, passed=tuple(found))
        return None


def _owners(listeners: Mapping[str, ListenerOptions]) -> dict[_Place, str]:
    """The name of the listener for each place."""
    return {place: name for name, options in listeners.items() for place in _places(name, options)}


def _places(name: str, options: ListenerOptions) -> list[_Place]:
    return [
        _Place(address, owner="" if address.port or address.scheme.is_local else name)
        for address in options.address
    ]


def _open_unix(address: Address, options: ListenerOptions) -> _Bound:
    kind, mode = SOCKET_KIND[address.scheme], int(options.socket_mode, 8)
    opened = sockets.open_unix(kind, address.path, mode, options.backlog)
    return _Bound((opened,), file=sockets.file_identity(address.path))
