"""The daemon's status: as JSON data for `netd status --json`, and as a line for systemd."""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from typing import Any

import netd
from netd.runtime.loop import Loop
from netd.runtime.process_usage import own_descriptors, usage_of
from netd.supervisor.fleet import Fleet, Listener
from netd.supervisor.reload_requests import ReloadRequests
from netd.supervisor.worker_handle import WorkerHandle


class DaemonStatus:
    """The status of the whole daemon."""

    def __init__(self, loop: Loop, fleet: Fleet, requests: ReloadRequests) -> None:
        """The daemon starts now; `requests` has the outcome of its last reload."""
        self._loop = loop
        self._fleet = fleet
        self._requests = requests
        self._started_at, self._started_time = loop.now, time.time()

    def describe(self, *, is_stopping: bool) -> dict[str, Any]:
        """The status as JSON data."""
        state = "serving" if self._fleet.is_well else "degraded"
        outcome = self._requests.outcome
        return {
            "version": netd.__version__,
            "pid": os.getpid(),
            "uptime_s": round(self._loop.now - self._started_at, 3),
            "state": "stopping" if is_stopping else state,
            "internal_errors": self._loop.errors,
            "process": {
                "started_at": round(self._started_time, 3),
                **usage_of(os.getpid()),
                **own_descriptors(),
            },
            "last_reload": asdict(outcome) if outcome else None,
            "listeners": describe(self._fleet, self._loop.now),
        }

    @property
    def line(self) -> str:
        """One line for `systemctl status`."""
        line = summarize(self._fleet)
        outcome = self._requests.outcome
        if outcome is None or outcome.ok:
            return line
        return f"{line}; last reload refused: {outcome.detail}"


def describe(fleet: Fleet, now: float) -> list[dict[str, Any]]:
    """Every listener; the removed ones that still drain come last. `now` is the loop's clock."""
    running = [_listener(listener, fleet, now, "") for listener in fleet.listeners.values()]
    return running + [_listener(listener, fleet, now, "draining") for listener in fleet.leaving]


def summarize(fleet: Fleet) -> str:
    """The numbers of listeners, workers and connections, and the degraded listeners."""
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
        "restarts": listener.restarts,
        "counters": counters.as_dict(),
        "gauges": [*counters.gauges, *counters.shared],
        "series": counters.series,
        "moments": counters.moments,
    }


def _worker(worker: WorkerHandle, now: float) -> dict[str, Any]:
    return {
        "pid": worker.pid,
        "state": "unresponsive" if worker.is_silent else str(worker.state),
        "uptime_s": round(now - worker.report.started_at, 3),
        "restarts": worker.restarts,
        "last_error": worker.problem,
        **(usage_of(worker.pid) if worker.pid else {}),
    }
