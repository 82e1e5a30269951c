"""The states of a worker as a transition table. Pure."""

from __future__ import annotations

import enum
from typing import Final


class WorkerState(enum.StrEnum):
    """The state of a worker."""

    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"
    BACKOFF = "backoff"
    ENDED = "ended"


class WorkerEvent(enum.Enum):
    """An event that changes a worker's state."""

    READY = enum.auto()  # it reported that its configuration is in force
    EXITED = enum.auto()  # its process ended
    DUE = enum.auto()  # the delay before its next start has passed
    DRAIN = enum.auto()  # the supervisor has sent Drain


TRANSITIONS: Final = {
    (WorkerState.STARTING, WorkerEvent.READY): WorkerState.SERVING,
    (WorkerState.STARTING, WorkerEvent.EXITED): WorkerState.BACKOFF,
    (WorkerState.STARTING, WorkerEvent.DRAIN): WorkerState.DRAINING,
    (WorkerState.SERVING, WorkerEvent.READY): WorkerState.SERVING,
    (WorkerState.SERVING, WorkerEvent.EXITED): WorkerState.BACKOFF,
    (WorkerState.SERVING, WorkerEvent.DRAIN): WorkerState.DRAINING,
    (WorkerState.DRAINING, WorkerEvent.READY): WorkerState.DRAINING,
    (WorkerState.DRAINING, WorkerEvent.EXITED): WorkerState.ENDED,
    (WorkerState.DRAINING, WorkerEvent.DRAIN): WorkerState.DRAINING,
    (WorkerState.BACKOFF, WorkerEvent.DUE): WorkerState.STARTING,
    (WorkerState.BACKOFF, WorkerEvent.DRAIN): WorkerState.ENDED,
    (WorkerState.ENDED, WorkerEvent.DUE): WorkerState.ENDED,
    (WorkerState.ENDED, WorkerEvent.DRAIN): WorkerState.ENDED,
}
