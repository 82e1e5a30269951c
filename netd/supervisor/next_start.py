"""Starts the next process of a worker in time, after one that ended unexpectedly."""

from __future__ import annotations

import random
from collections.abc import Callable

from netd.listeners.restart_policy import RestartPolicy
from netd.runtime.loop import Loop, Timer


class NextStart:
    """Calls `start` after the delay of the restart policy."""

    def __init__(self, loop: Loop, start: Callable[[], object]) -> None:
        self._loop = loop
        self._start = start
        self._policy = RestartPolicy()
        self._timer: Timer | None = None

    @property
    def is_settled(self) -> bool:
        """False after more than one unexpected end, until a minute without one has passed."""
        return self._policy.is_settled(self._loop.now)

    def on_start(self) -> None:
        """A process was started."""
        self._policy.on_start(self._loop.now)

    def schedule(self, at_least_s: float = 0.0) -> float:
        """Schedule the next start; returns the delay in seconds."""
        chance = random.random()  # noqa: S311 (jitter, no secret)
        delay_s = max(at_least_s, self._policy.delay_after_exit(self._loop.now, chance))
        self._timer = self._loop.call_later(delay_s, self._start)
        return delay_s

    def cancel(self) -> bool:
        """Cancel the next start; returns whether one was scheduled."""
        if self._timer is None or not self._timer.is_live:
            return False
        self._timer.cancel()
        return True
