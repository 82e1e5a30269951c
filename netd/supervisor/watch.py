"""Watches the workers: their heartbeats, and the service manager's watchdog."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from netd.runtime.journal import flush_log
from netd.runtime.loop import Loop
from netd.runtime.systemd import Notifier
from netd.supervisor.fleet import Fleet

_TICK_S: Final = 1.0
_STALL_S: Final = 3.0  # a tick this late shows that the supervisor itself was stopped


class Watch:
    """Each second kills the silent workers, and calls `on_tick`."""

    def __init__(
        self, loop: Loop, fleet: Fleet, notifier: Notifier, on_tick: Callable[[], object]
    ) -> None:
        self._loop = loop
        self._fleet = fleet
        self._notifier = notifier
        self._on_tick = on_tick
        self._ticked_at = loop.now

    def start(self) -> None:
        """Begin to watch."""
        self._loop.call_every(_TICK_S, self._tick)
        if self._notifier.watchdog_period_s is not None:
            self._loop.call_every(self._notifier.watchdog_period_s, self._feed_watchdog)

    def _tick(self) -> None:
        flush_log()
        was_stopped = self._loop.now - self._ticked_at > _STALL_S
        self._ticked_at = self._loop.now
        for worker in tuple(self._fleet.workers):
            if was_stopped:
                worker.report.heard_at = self._loop.now
            worker.kill_if_silent(self._fleet.config.netd.heartbeat_timeout)
        self._on_tick()

    def _feed_watchdog(self) -> None:
        allowed_s = self._fleet.config.netd.heartbeat_timeout + _STALL_S
        if all(
            self._loop.now - worker.report.heard_at < allowed_s for worker in self._fleet.processes
        ):
            self._notifier.alive()
