"""The daemon's state as JSON-ready data: what `netd status` shows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from netd.supervisor.fleet import Fleet
from netd.supervisor.listener import Listener
from netd.supervisor.worker_handle import WorkerHandle


@dataclass(frozen=True, slots=True)
class ReloadOutcome:
    """What became of the last reload."""

    at: float  # seconds since the epoch
    ok: bool
    detail: str  # what changed, or the errors, one a line


def describe(fleet: Fleet, now: float) -> list[dict[str, Any]]:
    """Every listener, those on their way out last. `now` is the loop's."""
    running = [_listener(each, fleet, now, "") for each in fleet.listeners.values()]
    return running + [_listener(each, fleet, now, "draining") for each in fleet.leaving]


def summarize(fleet: Fleet) -> str:
    """One line for `systemctl status`."""
    sick = [name for name, listener in fleet.listeners.items() if not listener.is_well]
    counters = [listener.counters for listener in fleet.listeners.values()]
    connections = sum(each.gauges.get("connections", 0) for each in counters)
    numbers = (
        (len(fleet.listeners), "listener"),
        (sum(1 for _ in fleet.workers), "worker"),
        (connections, "connection"),
    )
    line = ", ".join(f"{count} {noun}{'s' * (count != 1)}" for count, noun in numbers)
    return f"{line}; degraded: {', '.join(sick)}" if sick else line


def outcome_as_data(outcome: ReloadOutcome | None) -> dict[str, Any] | None:
    """JSON-ready."""
    return None if outcome is None else asdict(outcome)


def _listener(listener: Listener, fleet: Fleet, now: float, state: str) -> dict[str, Any]:
    is_running = fleet.listeners.get(listener.name) is listener
    options, counters = listener.options, listener.counters
    return {
        "name": listener.name,
        "kind": listener.kind.name,
        "state": state or ("serving" if listener.is_well else "degraded"),
        "configured": [str(address) for address in options.address],
        "addresses": fleet.table.bound_names(listener.name, options) if is_running else [],
        "workers": [_worker(w, now) for w in (*listener.workers, *listener.draining)],
        "counters": counters.as_dict(),
        "gauges": list(counters.gauges),
    }


def _worker(worker: WorkerHandle, now: float) -> dict[str, Any]:
    return {
        "pid": worker.pid,
        "state": str(worker.state),
        "uptime_s": round(now - worker.started_at, 3),
        "restarts": worker.restarts,
        "last_error": worker.last_error,
    }
