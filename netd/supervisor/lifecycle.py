"""The states of a worker as a transition table. Pure."""

from __future__ import annotations

import enum
from typing import Final


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
