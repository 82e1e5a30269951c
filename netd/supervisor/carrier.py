"""The ways on which clients get to the next supervisor process: a store, or execve(2)."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from netd.errors import NetdError, NotifyError, ReloadError
from netd.runtime.errnos import describe
from netd.runtime.loop import Loop
from netd.runtime.replace_process import own_command, replace_process
from netd.runtime.systemd import Notifier

_BARRIER_S: Final = 5.0

Parcels = Sequence[tuple[str, Sequence[int]]]
"""Descriptors with their labels; those with one label have to travel together."""
OnCarried = Callable[[NetdError | None], object]
"""Gets None once the parcels are safe, or the error."""


class Carrier(Protocol):
    """Passes descriptors to the next process."""

    needs_all: bool
    """Whether this process continues if a worker cannot hand over; else that worker's clients are
    lost."""

    def carry(self, parcels: Parcels, on_done: OnCarried) -> None:
        """Pass the parcels on. `on_done` is called once, unless this process is replaced."""

    def cancel(self) -> None:
        """Take them back: this process continues. Without effect before `carry`."""


class StoreCarrier:
    """Puts the parcels into the service manager's store, beside the listening sockets.

    The service manager ends this process in any case.
    """

    needs_all = False

    def __init__(self, loop: Loop, notifier: Notifier, earlier: Sequence[str]) -> None:
        """`earlier` are the labels of the previous handover, which may still be in the store."""
        self._loop = loop
        self._notifier = notifier
        self._labels = list(earlier)

    def carry(self, parcels: Parcels, on_done: OnCarried) -> None:
        """See Carrier; the barrier shows that the manager has taken them all."""
        self._labels += [label for label, _ in parcels]
        self.cancel()
        self._labels = [label for label, _ in parcels]
        try:
            for label, descriptors in parcels:
                self._notifier.store(label, *descriptors, timeout_s=_BARRIER_S)
        except NotifyError as error:
            on_done(error)
        else:
            self._notifier.begin_barrier(self._loop, _BARRIER_S, on_done)

    def cancel(self) -> None:
        """See Carrier. A connection that stayed in the store could not be closed."""
        for label in self._labels:
            with contextlib.suppress(NotifyError):  # a manager that is gone has no store
                self._notifier.unstore(label)
        self._labels = []


class ProgramCarrier:
    """Runs the installed program in this process.

    The service manager's store has the parcels too, in case the new program is killed at once.
    """

    needs_all = True

    def __init__(
        self, sockets: Mapping[str, Sequence[socket.socket]], store: StoreCarrier | None
    ) -> None:
        """`sockets` are the listening sockets, by label; they travel too."""
        self._sockets = sockets
        self._store = store
        self._is_cancelled = False

    def carry(self, parcels: Parcels, on_done: OnCarried) -> None:
        """See Carrier."""
        if self._store is None:
            self._replace_program(parcels, on_done)
        else:  # whether it has room or not, the parcels travel
            self._store.carry(parcels, lambda _error: self._replace_program(parcels, on_done))

    def _replace_program(self, parcels: Parcels, on_done: OnCarried) -> None:
        if self._is_cancelled:  # while the store had not replied: the parcels are closed
            return
        flat = [(label, fd) for label, descriptors in parcels for fd in descriptors]
        for label, socks in self._sockets.items():
            flat += [(label, sock.fileno()) for sock in socks]
        try:
            replace_process(own_command(), os.environ, flat)
        except OSError as error:
            on_done(ReloadError(f"the new program cannot be run: {describe(error)}"))

    def cancel(self) -> None:
        """See Carrier."""
        self._is_cancelled = True
        if self._store is not None:
            self._store.cancel()
