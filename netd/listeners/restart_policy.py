"""The delays after which a worker, or an echo worker's slots, start again after a crash. Pure."""

from __future__ import annotations

from collections import deque
from typing import Final

_MAX_STARTS_PER_MINUTE: Final = 10
_MINUTE_S: Final = 60.0
_FIRST_DELAY_S: Final = 0.25
_MAX_DELAY_S: Final = 30.0


class RestartPolicy:
    """The delay before a worker or a slot that ended unexpectedly is started again.

    The first restart is immediate; then the delay doubles from 0.25 s up to 30 s. Up to half of
    it is added at random, so that workers do not restart in step. There are at most ten starts a
    minute; after a stable minute the next restart is immediate again.
    """

    def __init__(self) -> None:
        self._starts: deque[float] = deque(maxlen=_MAX_STARTS_PER_MINUTE)
        self._failures = 0

    def on_start(self, now: float) -> None:
        """Record a start."""
        self._starts.append(now)

    def delay_after_exit(self, now: float, chance: float) -> float:
        """The delay in seconds; `chance` is a random number from [0, 1)."""
        if self._starts and now - self._starts[-1] >= _MINUTE_S:
            self._failures = 0
        self._failures += 1
        return max(self._doubled(chance), self._until_allowed(now))

    def is_settled(self, now: float) -> bool:
        """False after more than one unexpected end, until a minute without one has passed."""
        return self._failures <= 1 or now - self._starts[-1] >= _MINUTE_S

    def _doubled(self, chance: float) -> float:
        if self._failures == 1:
            return 0.0
        delay = min(_MAX_DELAY_S, _FIRST_DELAY_S * 2.0 ** (self._failures - 2))
        return delay * (1 + chance / 2)

    def _until_allowed(self, now: float) -> float:
        if len(self._starts) < _MAX_STARTS_PER_MINUTE:
            return 0.0
        return max(0.0, self._starts[0] + _MINUTE_S - now)
