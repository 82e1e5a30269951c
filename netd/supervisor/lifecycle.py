"""The states of a worker as a transition table, and the delay before a restart. Pure."""

from __future__ import annotations

import enum
from collections import deque
from typing import Final

_MAX_STARTS_PER_MINUTE: Final = 10
_MINUTE_S: Final = 60.0
_FIRST_DELAY_S: Final = 0.25
_MAX_DELAY_S: Final = 30.0


class State(enum.StrEnum):
    """The state of a worker."""

    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"
    BACKOFF = "backoff"
    ENDED = "ended"


class Event(enum.Enum):
    """What changes a worker's state."""

    READY = enum.auto()  # it reported that its configuration is in force
    EXITED = enum.auto()  # its process ended
    DUE = enum.auto()  # the delay before its next start has passed
    DRAIN = enum.auto()  # it was asked to finish


TRANSITIONS: Final = {
    (State.STARTING, Event.READY): State.SERVING,
    (State.STARTING, Event.EXITED): State.BACKOFF,
    (State.STARTING, Event.DRAIN): State.DRAINING,
    (State.SERVING, Event.READY): State.SERVING,
    (State.SERVING, Event.EXITED): State.BACKOFF,
    (State.SERVING, Event.DRAIN): State.DRAINING,
    (State.DRAINING, Event.READY): State.DRAINING,
    (State.DRAINING, Event.EXITED): State.ENDED,
    (State.DRAINING, Event.DRAIN): State.DRAINING,
    (State.BACKOFF, Event.DUE): State.STARTING,
    (State.BACKOFF, Event.DRAIN): State.ENDED,
    (State.ENDED, Event.DUE): State.ENDED,
    (State.ENDED, Event.DRAIN): State.ENDED,
}


class RestartPolicy:
    """The delay before a worker that ended is started again.

    The first restart is immediate; then the delay doubles from 0.25 s up to 30 s. Up to half of
    it is added at random, so that workers do not restart in step. A worker starts at most ten
    times a minute; one that lived for a whole minute begins anew with an immediate restart.
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
        """False if it ended more than once without a stable minute in between or since."""
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
