"""The daemon's figures as Prometheus reads them: text exposition format 0.0.4.

Written here, in a screenful, rather than by prometheus_client: the figures are the supervisor's,
of all processes, so the library's registry would only be in the way of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from netd.listeners.http.protocol.event import Request
from netd.listeners.http.response.response import DeferredResponse, Response
from netd.listeners.http.routes.daemon_status import DaemonStatus

_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Labels = dict[str, str]
Sample = tuple[Labels, float]


class Metrics:
    """The route."""

    methods = frozenset({"GET", "HEAD"})
    takes_body = False

    def __init__(self, daemon: DaemonStatus) -> None:
        self._daemon = daemon

    def answer(self, _request: Request, _path: str, _body: bytes) -> Response | DeferredResponse:
        return self._daemon.answer(_answer)


def _answer(status: dict[str, Any]) -> Response:
    fields = (("Content-Type", _TYPE), ("Cache-Control", "no-store"))
    return Response(200, fields, (format_metrics(status).encode(),))


def format_metrics(status: dict[str, Any]) -> str:
    """The whole exposition for what `netd status --json` shows."""
    return "".join((*_daemon(status), *_listeners(status["listeners"])))


def _daemon(status: dict[str, Any]) -> Iterator[str]:
    version = {"version": status["version"]}
    yield _family("netd_info", "gauge", "The daemon that runs.", [(version, 1)])
    yield _single("netd_uptime_seconds", "Time since the daemon started.", status["uptime_s"])
    yield _single("netd_up", "1 while every listener serves.", status["state"] == "serving")
    outcome = status["last_reload"]
    if outcome is not None:
        yield _single("netd_reload_ok", "1 if the last reload was taken.", outcome["ok"])
        yield _single("netd_reload_time_seconds", "When the last reload was asked.", outcome["at"])


def _listeners(listeners: list[dict[str, Any]]) -> Iterator[str]:
    labels = [{"listener": each["name"], "kind": each["kind"]} for each in listeners]
    labelled = [(mark, each) for mark, each in zip(labels, listeners, strict=True)]
    up = [(mark, each["state"] == "serving") for mark, each in labelled]
    yield _family("netd_listener_up", "gauge", "1 while all its workers serve.", up)
    states = sorted({worker["state"] for each in listeners for worker in each["workers"]})
    workers = [
        ({**mark, "state": state}, sum(worker["state"] == state for worker in each["workers"]))
        for mark, each in labelled
        for state in states
    ]
    yield _family("netd_workers", "gauge", "Worker processes by state.", workers)
    restarts = [(mark, sum(w["restarts"] for w in each["workers"])) for mark, each in labelled]
    yield _family("netd_worker_restarts", "gauge", "Restarts of the present workers.", restarts)
    gauges = {name for listener in listeners for name in listener["gauges"]}
    for name in sorted({name for each in listeners for name in each["counters"]}):
        samples = [(m, each["counters"][name]) for m, each in labelled if name in each["counters"]]
        what = name.replace("_", " ")
        if name in gauges:
            yield _family(f"netd_{name}", "gauge", f"{what.capitalize()} at present.", samples)
        else:
            yield _family(f"netd_{name}_total", "counter", f"{what.capitalize()} so far.", samples)


def _single(name: str, text: str, value: float) -> str:
    return _family(name, "gauge", text, [({}, value)])


def _family(name: str, kind: str, text: str, samples: list[Sample]) -> str:
    lines = [f"# HELP {name} {text}\n# TYPE {name} {kind}\n"]
    lines += [f"{name}{_labels(labels)} {float(value)!r}\n" for labels, value in samples]
    return "".join(lines)


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items()) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
