"""The restart or upgrade that was requested or is in progress: there is at most one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from netd.errors import ControlError, NetdError
from netd.runtime.loop import Loop
from netd.runtime.systemd import Notifier
from netd.supervisor.carrier import Carrier, OnCarried, ProgramCarrier, StoreCarrier
from netd.supervisor.fleet import Fleet
from netd.supervisor.restart import Inheritance, Restart
from netd.supervisor.trial import begin_trial


@dataclass(frozen=True, slots=True)
class _Request:
    make_carrier: Callable[[], Carrier]
    on_done: OnCarried
    is_restart: bool


class Restarter:
    """Makes restarts and upgrades, each one when no other change is in progress."""

    def __init__(  # noqa: PLR0913 (its two callbacks are its interface)
        self,
        loop: Loop,
        fleet: Fleet,
        notifier: Notifier,
        inheritance: Inheritance,
        *,
        on_due: Callable[[], object],
        on_kept: Callable[[], object],
    ) -> None:
        """`on_due` is called in the turn after a request: `begin` is to be called if possible.

        `on_kept` is called when one was abandoned, and this process serves its clients again.
        """
        self._loop = loop
        self._fleet = fleet
        self._notifier = notifier
        self._inheritance = inheritance
        self._on_due, self._on_kept = on_due, on_kept
        self._waiting: _Request | None = None
        self._current: _Request | None = None
        self._restart: Restart | None = None
        self._is_over = False

    @property
    def is_in_progress(self) -> bool:
        """Whether the workers are frozen, or about to be."""
        return self._current is not None

    @property
    def is_waiting(self) -> bool:
        """Whether a restart was requested that has not begun."""
        return self._waiting is not None

    def request_restart(self, on_done: OnCarried) -> None:
        """Leave the clients to the service manager's next process; `on_done` gets the outcome.

        The service manager waits for the end of this process, so an upgrade is abandoned. Without
        effect if this process is about to end.
        """
        if self._is_over or any(request.is_restart for request in self._requests()):
            return
        self._abandon(ControlError("netd is being restarted"))
        self._add(_Request(self._make_store_carrier, on_done, is_restart=True))

    def request_upgrade(self, on_error: OnCarried) -> None:
        """Try the installed program, and replace this one by it; `on_error` gets a failure."""

        def on_tried(error: NetdError | None) -> None:
            if error is None and (self._is_over or self._requests()):
                error = ControlError("netd is stopping or being restarted")
            if error is not None:
                on_error(error)
            else:
                self._add(_Request(self._make_program_carrier, on_error, is_restart=False))

        begin_trial(self._loop, on_tried)

    def begin(self) -> None:
        """Begin what was requested."""
        request, self._waiting = self._waiting, None
        if request is None:
            return

        def on_end(error: NetdError | None) -> None:
            self._restart = self._current = None
            request.on_done(error)
            if error is not None:
                self._on_kept()

        self._current = request
        self._restart = Restart(self._loop, self._fleet, request.make_carrier(), on_end)
        self._restart.begin()

    def stop(self) -> None:
        """Abandon what was requested or is in progress, and allow no other."""
        self._is_over = True
        self._abandon(ControlError("netd is stopping"))

    def _requests(self) -> list[_Request]:
        return [request for request in (self._waiting, self._current) if request is not None]

    def _add(self, request: _Request) -> None:
        self._waiting = request
        self._loop.defer(self._on_due)

    def _abandon(self, error: ControlError) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.on_done(error)
        if self._restart is not None:
            self._restart.abort(error)

    def _make_store_carrier(self) -> StoreCarrier:
        return StoreCarrier(self._loop, self._notifier, self._inheritance.labels)

    def _make_program_carrier(self) -> ProgramCarrier:
        store = self._make_store_carrier() if self._notifier.is_managed else None
        return ProgramCarrier(self._fleet.storable(), store)
