"""The metrics of the daemon in the Prometheus text format, version 0.0.4.

They are formatted here and not by the library prometheus_client: its registry holds the metrics
of one process, and these come from the supervisor, for all processes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from netd.listeners.http.protocol.event import Request
from netd.listeners.http.protocol.response import DeferredResponse, Response
from netd.listeners.http.routes.daemon_status import DaemonStatus

_CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_Labels = dict[str, str]
_Sample = tuple[_Labels, float]


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
    version = {"version": status["version"]}
    yield _family("netd_info", "gauge", "The version of the daemon.", [(version, 1)])
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
    yield _family("netd_listener_up", "gauge", "1 while all its workers serve.", up)
    yield _family("netd_workers", "gauge", "Worker processes by state.", _workers(labelled))
    restarts = [
        (labels, sum(worker["restarts"] for worker in listener["workers"]))
        for labels, listener in labelled
    ]
    yield _family("netd_worker_restarts", "gauge", "Restarts of the present workers.", restarts)
    gauges = {name for listener in listeners for name in listener["gauges"]}
    for name in sorted({name for listener in listeners for name in listener["counters"]}):
        samples = [
            (labels, listener["counters"][name])
            for labels, listener in labelled
            if name in listener["counters"]
        ]
        text = name.replace("_", " ").capitalize()
        if name in gauges:
            yield _family(f"netd_{name}", "gauge", f"{text} at present.", samples)
        else:
            yield _family(f"netd_{name}_total", "counter", f"{text} so far.", samples)


def _workers(labelled: list[tuple[_Labels, dict[str, Any]]]) -> list[_Sample]:
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
    return _family(name, "gauge", text, [({}, value)])


def _family(name: str, kind: str, text: str, samples: list[_Sample]) -> str:
    lines = [f"# HELP {name} {text}\n# TYPE {name} {kind}\n"]
    lines += [f"{name}{_labels(labels)} {float(value)!r}\n" for labels, value in samples]
    return "".join(lines)


def _labels(labels: _Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items()) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
