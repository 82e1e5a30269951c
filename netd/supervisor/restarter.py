"""The restart that was requested or is in progress: there is at most one."""

from __future__ import annotations

from collections.abc import Callable

from netd.errors import ControlError, NetdError
from netd.runtime.loop import Loop
from netd.supervisor.carrier import Carrier, OnCarried
from netd.supervisor.fleet import Fleet
from netd.supervisor.restart import Restart


class Restarter:
    """Makes restarts, each one when no other change is in progress.

    `on_kept` is called when a restart was abandoned, and this process serves its clients again.
    """

    def __init__(self, loop: Loop, fleet: Fleet, on_kept: Callable[[], object]) -> None:
        self._loop = loop
        self._fleet = fleet
        self._on_kept = on_kept
        self._restart: Restart | None = None
        self._begin: Callable[[], None] | None = None
        self._is_over = False

    @property
    def is_in_progress(self) -> bool:
        """Whether the workers are frozen, or about to be."""
        return self._restart is not None

    @property
    def is_waiting(self) -> bool:
        """Whether a restart was requested that has not begun."""
        return self._begin is not None

    def request(self, make_carrier: Callable[[], Carrier], on_done: OnCarried) -> None:
        """Restart at the next `begin`; `on_done` gets None, or why the clients stay here."""
        if self._is_over or self.is_in_progress or self.is_waiting:
            on_done(ControlError("netd is stopping or being restarted"))
            return

        def begin() -> None:
            self._restart = Restart(self._loop, self._fleet, make_carrier(), on_end)
            self._restart.begin()

        def on_end(error: NetdError | None) -> None:
            self._restart = None
            on_done(error)
            if error is not None:
                self._on_kept()

        self._begin = begin

    def begin(self) -> None:
        """Begin the restart that was requested."""
        begin, self._begin = self._begin, None
        if begin is not None:
            begin()

    def stop(self) -> None:
        """Abandon the restart, and allow no other."""
        self._is_over = True
        self._begin = None
        if self._restart is not None:
            self._restart.abort(ControlError("netd is stopping"))
