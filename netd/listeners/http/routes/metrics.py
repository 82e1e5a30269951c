"""The metrics of the daemon in the Prometheus text format, version 0.0.4.

They are formatted here and not by the library prometheus_client: its registry holds the metrics
of one process, and these come from the supervisor, for all processes.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from typing import Any, Final

from netd.listeners.http.protocol.event import Request
from netd.listeners.http.protocol.response import DeferredResponse, Response
from netd.listeners.http.routes.daemon_status import DaemonStatus
from netd.protocols.prometheus import format_family, format_heading, format_sample

_CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_Labels = dict[str, str]
_Sample = tuple[_Labels, float]
_Labelled = tuple[_Labels, dict[str, Any]]  # a listener of the status, with its labels

_DURATIONS_US: Final = "durations_us"  # a total, shown as the sum of the histogram
_PROCESS: Final = {  # the names are those of the client libraries of Prometheus
    "started_at": (
        "process_start_time_seconds",
        "gauge",
        "When the supervisor started, in seconds since the epoch.",
    ),
    "cpu_s": ("process_cpu_seconds_total", "counter", "Processor time of the supervisor."),
    "memory_bytes": ("process_resident_memory_bytes", "gauge", "Memory of the supervisor."),
    "open_descriptors": ("process_open_fds", "gauge", "Open descriptors of the supervisor."),
    "max_descriptors": ("process_max_fds", "gauge", "The limit of its descriptors."),
}
_WORKER_USAGE: Final = (
    ("cpu_s", "netd_worker_cpu_seconds", "gauge", "Processor time of the present workers."),
    ("memory_bytes", "netd_worker_resident_memory_bytes", "gauge", "Memory of the workers."),
)
_SERIES: Final = {
    "responses": (
        "netd_http_responses_total",
        "Responses by the method of the request and the status code.",
        ("method", "code"),
    ),
}
_MOMENTS: Final = {
    "certificate_expiry": (
        "When the first certificate of the listener expires, in seconds since the epoch."
    ),
    "certificate_renewal": (
        "When the renewal of a certificate of the listener is overdue: "
        "a quarter of its lifetime before its end, or 14 days if that is less."
    ),
}


class Metrics:
    """The handler of a route with `metrics`."""

    methods = frozenset({"GET", "HEAD"})
    takes_body = False

    def __init__(self, daemon: DaemonStatus) -> None:
        self._daemon = daemon

    def respond(self, _request: Request, _path: str, _body: bytes) -> Response | DeferredResponse:
        return self._daemon.respond(_response)


def _response(status: dict[str, Any]) -> Response:
    fields = (("Content-Type", _CONTENT_TYPE), ("Cache-Control", "no-store"))
    return Response(200, fields, (format_metrics(status).encode(),))


def format_metrics(status: dict[str, Any]) -> str:
    """Format the metrics from the status that `netd status --json` prints."""
    return "".join((*_daemon(status), *_listeners(status["listeners"])))


def _daemon(status: dict[str, Any]) -> Iterator[str]:
    build = {"version": status["version"], "python": platform.python_version()}
    yield format_family(
        "netd_info", "gauge", "The versions of the daemon and of Python.", [(build, 1)]
    )
    process = status["process"]
    for key, (name, kind, text) in _PROCESS.items():
        if key in process:
            yield format_family(name, kind, text, [({}, process[key])])
    yield _single("netd_uptime_seconds", "Time since the daemon started.", status["uptime_s"])
    yield _single("netd_up", "1 while every listener serves.", status["state"] == "serving")
    reload = status["last_reload"]
    if reload is not None:
        yield _single("netd_reload_ok", "1 if the last reload succeeded.", reload["ok"])
        yield _single("netd_reload_time_seconds", "Time of the last reload.", reload["at"])


def _listeners(listeners: list[dict[str, Any]]) -> Iterator[str]:
    labelled = [
        ({"listener": listener["name"], "kind": listener["kind"]}, listener)
        for listener in listeners
    ]
    up = [(labels, listener["state"] == "serving") for labels, listener in labelled]
    yield format_family("netd_listener_up", "gauge", "1 while all its workers serve.", up)
    yield format_family("netd_workers", "gauge", "Worker processes by state.", _workers(labelled))
    restarts = [(labels, listener["restarts"]) for labels, listener in labelled]
    text = "Workers that were started again after they had ended."
    yield format_family("netd_worker_restarts_total", "counter", text, restarts)
    yield from _usage(labelled)
    yield from _series(labelled)
    yield _histogram(labelled)
    yield from _moments(labelled)
    yield from _figures(labelled)


def _moments(labelled: list[_Labelled]) -> Iterator[str]:
    """Yield times in seconds since the epoch, of listeners that have them."""
    for name, text in _MOMENTS.items():
        samples = [
            (labels, listener["moments"][name])
            for labels, listener in labelled
            if name in listener["moments"]
        ]
        yield format_family(f"netd_{name}_time_seconds", "gauge", text, samples)


def _figures(labelled: list[_Labelled]) -> Iterator[str]:
    """Yield the totals and gauges of all kinds, by name."""
    listeners = [listener for _, listener in labelled]
    gauges = {name for listener in listeners for name in listener["gauges"]}
    names = {name for listener in listeners for name in listener["counters"]}
    for name in sorted(names - {_DURATIONS_US}):
        samples = [
            (labels, listener["counters"][name])
            for labels, listener in labelled
            if name in listener["counters"]
        ]
        text = name.replace("_", " ").capitalize()
        if name in gauges:
            yield format_family(f"netd_{name}", "gauge", f"{text} at present.", samples)
        else:
            yield format_family(f"netd_{name}_total", "counter", f"{text} so far.", samples)


def _usage(labelled: list[_Labelled]) -> Iterator[str]:
    """Yield what the present workers of each listener use."""
    for key, name, kind, text in _WORKER_USAGE:
        samples = [
            (labels, sum(worker.get(key, 0) for worker in listener["workers"]))
            for labels, listener in labelled
        ]
        yield format_family(name, kind, text, samples)


def _series(labelled: list[_Labelled]) -> Iterator[str]:
    """Yield the totals that are counted apart by labels."""
    for key, (name, text, names) in _SERIES.items():
        samples = [
            ({**labels, **dict(zip(names, values.split(" "), strict=True))}, count)
            for labels, listener in labelled
            for values, count in sorted(listener["series"].get(key, {}).items())
        ]
        yield format_family(name, "counter", text, samples)


def _histogram(labelled: list[_Labelled]) -> str:
    name = "netd_http_request_duration_seconds"
    text = "Time from the first byte of a request until its response is ready to be sent."
    lines = [format_heading(name, "histogram", text)]
    for labels, listener in labelled:
        buckets = listener["series"].get("durations", {})
        total = 0
        for bound, count in buckets.items():
            total += count
            lines.append(format_sample(f"{name}_bucket", {**labels, "le": bound}, total))
        if buckets:
            seconds = listener["counters"][_DURATIONS_US] / 1e6
            lines.append(format_sample(f"{name}_sum", labels, seconds))
            lines.append(format_sample(f"{name}_count", labels, total))
    return "".join(lines)


def _workers(labelled: list[_Labelled]) -> list[_Sample]:
    """Count each listener's workers in each state that any worker is in."""
    states = sorted({worker["state"] for _, listener in labelled for worker in listener["workers"]})
    return [
        (
            {**labels, "state": state},
            sum(worker["state"] == state for worker in listener["workers"]),
        )
        for labels, listener in labelled
        for state in states
    ]


def _single(name: str, text: str, value: float) -> str:
    return format_family(name, "gauge", text, [({}, value)])
