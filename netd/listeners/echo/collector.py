"""Interrupts all slots of a worker, and keeps their connections until the handover is decided."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final

from netd.listeners.echo.paused_connection import PausedConnection
from netd.listeners.echo.scoreboard import Scoreboard
from netd.listeners.echo.slot_set import SlotSet
from netd.runtime.loop import Loop, Timer

_PERIOD_S: Final = 0.01  # of the interruptions: one that comes just before a call has no effect
_PATIENCE: Final = 0.8  # the part of the time after which slots that have not ended are killed

_log = logging.getLogger("netd")


class Collector:
    """Keeps connections that no slot serves; they are added to `connections`."""

    def __init__(
        self, loop: Loop, scoreboard: Scoreboard, find_sets: Callable[[], Sequence[SlotSet]]
    ) -> None:
        self._loop = loop
        self._scoreboard = scoreboard
        self._find_sets = find_sets
        self._kill_at = self._end_at = 0.0
        self._has_killed = False
        self._lost_before = 0
        self._timer: Timer | None = None
        self._on_prepared: Callable[[], object] | None = None
        self.is_active = False
        """Whether connections are collected; slots serve them else."""
        self.connections: list[PausedConnection] = []

    @property
    def unsent(self) -> int:
        """The number of connections that are on their way here."""
        return sum(len(slots.unsent) for slots in self._find_sets())

    def begin(self, within_s: float, on_prepared: Callable[[], object]) -> None:
        """Interrupt all slots; call `on_prepared` when they have ended or `within_s` is over."""
        self.is_active = True
        self._has_killed = False
        self._lost_before = self._scoreboard.counts["lost"]
        self._on_prepared = on_prepared
        self._kill_at = self._loop.now + within_s * _PATIENCE
        self._end_at = self._loop.now + within_s
        self._interrupt()

    def end(self) -> list[PausedConnection]:
        """Interrupt no further slot; return the connections, which the caller owns now."""
        self.is_active = False
        if self._timer is not None:
            self._timer.cancel()
        connections, self.connections = self.connections, []
        return connections

    def _interrupt(self) -> None:
        sets = self._find_sets()
        for slots in sets:
            slots.interrupt()
        now = self._loop.now
        if now >= self._kill_at and not self._has_killed:
            self._has_killed = True
            self._scoreboard.counts["lost"] += sum(slots.kill_unanswered() for slots in sets)
        if now >= self._end_at or all(slots.is_stopped for slots in sets):
            assert self._on_prepared is not None
            self._report_lost()
            self._on_prepared()
        else:
            self._timer = self._loop.call_later(_PERIOD_S, self._interrupt)

    def _report_lost(self) -> None:
        if lost := self._scoreboard.counts["lost"] - self._lost_before:
            text = (
                "clients are lost: %d whose slots hang, or for which this worker has no descriptor"
            )
            _log.error(text, lost)
