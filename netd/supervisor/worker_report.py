"""The reports of a worker to the supervisor: its heartbeats, its faults and its counters."""

from __future__ import annotations

from typing import Final

from netd.listeners.counters import Counters
from netd.protocols.link import Heartbeat

_UNRESPONSIVE_S: Final = 3.0  # without a heartbeat, of which one is due each second


class WorkerReport:
    """The reports of one worker, over all processes that run it one after the other."""

    def __init__(self, now: float) -> None:
        self.started_at = self.heard_at = now
        """When the present process started, and when it last sent a message."""
        self.last_error = ""
        self.degraded = ""
        """The reason in the last heartbeat; empty if the worker is well."""
        self._past = Counters()  # of the processes that have ended
        self._present = Counters()

    @property
    def counters(self) -> Counters:
        """The totals of all processes, and the gauges of the present one."""
        return self._past + self._present

    def silence_s(self, now: float) -> float:
        """The seconds since the last message."""
        return now - self.heard_at

    def is_silent(self, now: float) -> bool:
        """True if several heartbeats are missing."""
        return self.silence_s(now) > _UNRESPONSIVE_S

    def on_start(self, now: float) -> None:
        """A process was started."""
        self.started_at = self.heard_at = now

    def on_heartbeat(self, heartbeat: Heartbeat) -> None:
        """The present process has reported its counters and its state."""
        self._present = Counters(
            heartbeat.totals,
            heartbeat.gauges,
            heartbeat.series,
            heartbeat.moments,
            heartbeat.shared,
        )
        self.degraded = heartbeat.degraded

    def on_exit(self) -> None:
        """The present process has ended: its totals count on, its gauges do not."""
        self._past, self._present = self.counters.after_exit(), Counters()
        self.degraded = ""
