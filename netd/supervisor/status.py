"""The daemon's status as JSON data, as `netd status --json` prints it."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any

import netd
from netd.runtime.loop import Loop
from netd.supervisor.fleet import Fleet, Listener
from netd.supervisor.worker_handle import WorkerHandle


@dataclass(frozen=True, slots=True)
class ReloadOutcome:
    """The outcome of a reload."""

    at: float  # seconds since the epoch
    ok: bool
    detail: str  # the changes, or the errors, one on each line

    def as_dict(self) -> dict[str, Any]:
        """The outcome as JSON data."""
        return asdict(self)


def describe_daemon(
    fleet: Fleet,
    loop: Loop,
    *,
    state: str,
    started_at: float,
    last_reload: ReloadOutcome | None,
) -> dict[str, Any]:
    """The whole daemon. `started_at` is a time of the loop's clock."""
    return {
        "version": netd.__version__,
        "pid": os.getpid(),
        "uptime_s": round(loop.now - started_at, 3),
        "state": state,
        "internal_errors": loop.errors,
        "last_reload": last_reload.as_dict() if last_reload else None,
        "listeners": describe(fleet, loop.now),
    }


def describe(fleet: Fleet, now: float) -> list[dict[str, Any]]:
    """Every listener; the removed ones that still drain come last. `now` is the loop's clock."""
    running = [_listener(listener, fleet, now, "") for listener in fleet.listeners.values()]
    return running + [_listener(listener, fleet, now, "draining") for listener in fleet.leaving]


def summarize(fleet: Fleet) -> str:
    """One line for `systemctl status`."""
    degraded = [name for name, listener in fleet.listeners.items() if not listener.is_well]
    counters = [listener.counters for listener in fleet.listeners.values()]
    connections = sum(figures.gauges.get("connections", 0) for figures in counters)
    numbers = (
        (len(fleet.listeners), "listener"),
        (sum(1 for _ in fleet.workers), "worker"),
        (connections, "connection"),
    )
    line = ", ".join(f"{count} {noun}{'s' * (count != 1)}" for count, noun in numbers)
    return f"{line}; degraded: {', '.join(degraded)}" if degraded else line


def _listener(listener: Listener, fleet: Fleet, now: float, state: str) -> dict[str, Any]:
    is_running = fleet.listeners.get(listener.name) is listener
    options, counters = listener.options, listener.counters
    return {
        "name": listener.name,
        "kind": listener.kind.name,
        "state": state or ("serving" if listener.is_well else "degraded"),
        "configured": [str(address) for address in options.address],
        "addresses": fleet.table.bound_names(listener.name, options) if is_running else [],
        "workers": [_worker(worker, now) for worker in listener.all_workers],
        "counters": counters.as_dict(),
        "gauges": list(counters.gauges),
    }


def _worker(worker: WorkerHandle, now: float) -> dict[str, Any]:
    return {
        "pid": worker.pid,
        "state": "unresponsive" if worker.is_silent else str(worker.state),
        "uptime_s": round(now - worker.started_at, 3),
        "restarts": worker.restarts,
        "last_error": worker.problem,
    }
