"""The status page and the metrics of a whole daemon."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.request import urlopen

import pytest

from netd.listeners.http.routes.metrics import format_metrics
from netd.listeners.http.routes.status_page import format_page
from tests.listeners.http.http_client import Start, ask
from tests.listeners.http.pages.test_pages import check_policy
from tests.support import PATIENCE_S, Daemon, running_daemon, wait_until

parser = pytest.importorskip("prometheus_client.parser")


CONFIG = """
[listeners.web]
kind = "http"
address = "tcp://127.0.0.1:0"
workers = 2
routes = [{path = "/status", status = true}, {path = "/metrics", metrics = true}]
[listeners.echo]
kind = "echo"
address = "tcp://127.0.0.1:0"
[listeners.lounge]
kind = "chat"
address = "tcp://127.0.0.1:0"
"""


HOSTILE = '<i>"\\\n&'


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with running_daemon(tmp_path_factory.mktemp("daemon"), CONFIG) as started:
        yield started


def fetch(daemon: Daemon, path: str) -> str:
    with urlopen(f"http://127.0.0.1:{daemon.address('web').port}{path}", None, PATIENCE_S) as got:
        return str(got.read().decode())


def status(name: str = "web") -> dict[str, object]:
    worker = {"pid": 7, "state": "waiting", "uptime_s": 1.5, "restarts": 3, "last_error": name}
    listener = {
        "name": name,
        "kind": "http",
        "state": "degraded",
        "addresses": ["tcp://[::]:80"],
        "workers": [worker],
        "restarts": 4,
        "counters": {"connections": 2, "requests": 5, "durations_us": 2500},
        "gauges": ["connections"],
        "series": {
            "responses": {"GET 200": 3, "other 400": 2},
            "durations": {"0.001": 4, "0.5": 1, "+Inf": 0},
        },
        "moments": {"certificate_expiry": 1_900_000_000, "certificate_renewal": 1_800_000_000},
    }
    outcome = {"at": 1000.5, "ok": False, "detail": name}
    return {
        "version": "1.0",
        "pid": 1,
        "uptime_s": 100.25,
        "state": "degraded",
        "process": {"started_at": 1e9, "cpu_s": 0.5, "memory_bytes": 4096},
        "last_reload": outcome,
        "listeners": [listener],
    }


def samples(text: str) -> dict[tuple[str, str], float]:
    """Return all samples by name and listener."""
    return {
        (sample.name, sample.labels.get("listener", "")): sample.value
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
    }


class Cells(HTMLParser):
    """The texts of the status page's cells."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: dict[str, str] = {}
        self._key = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag != "i", "a name must not become markup"
        self._key = dict(attrs).get("data-cell") or ""

    def handle_data(self, data: str) -> None:
        if self._key:
            self.texts.setdefault(self._key, data.strip())


def test_metrics_cover_every_listener(daemon: Daemon) -> None:
    values: dict[tuple[str, str], float] = {}

    def is_counted() -> bool:
        values.update(samples(fetch(daemon, "/metrics")))
        return values["netd_connections", "echo"] == 1

    with daemon.connect("echo"), daemon.connect("lounge"):
        wait_until(is_counted, "the connection to be counted")
    assert values["netd_up", ""] == 1
    assert [values["netd_listener_up", name] for name in ("web", "echo", "lounge")] == [1, 1, 1]
    assert values["netd_workers", "web"] == 2
    assert values["netd_uptime_seconds", ""] > 0


def test_the_status_page_shows_every_listener_and_worker(daemon: Daemon) -> None:
    page = Cells(fetch(daemon, "/status"))
    assert page.texts["state"] == "serving"
    assert page.texts["echo/where"] == str(daemon.address("echo"))
    for pid in daemon.pids("web"):
        assert page.texts[f"web/{pid}/state"] == "serving"


def test_the_policy_of_the_status_page(daemon: Daemon) -> None:
    address = daemon.address("web")
    with urlopen(f"http://127.0.0.1:{address.port}/status", None, PATIENCE_S) as response:
        check_policy(response.read().decode(), response.headers["Content-Security-Policy"])


def test_the_status_is_available_as_json(daemon: Daemon) -> None:
    body = json.loads(fetch(daemon, "/status?json"))
    assert body.keys() == daemon.status().keys()
    assert [listener["name"] for listener in body["listeners"]] == ["web", "echo", "lounge"]


def test_metrics_show_faults() -> None:
    values = samples(format_metrics(status()))
    assert (values["netd_up", ""], values["netd_reload_ok", ""]) == (0, 0)
    assert values["netd_reload_time_seconds", ""] == 1000.5
    assert (values["netd_listener_up", "web"], values["netd_worker_restarts_total", "web"]) == (
        0,
        4,
    )
    assert (values["netd_connections", "web"], values["netd_requests_total", "web"]) == (2, 5)


def test_metrics_have_responses_by_method_and_code_and_a_histogram_of_durations() -> None:
    found = {
        (sample.name, *(sample.labels.get(name) for name in ("method", "code", "le"))): sample.value
        for family in parser.text_string_to_metric_families(format_metrics(status()))
        for sample in family.samples
    }
    responses = "netd_http_responses_total"
    assert (found[responses, "GET", "200", None], found[responses, "other", "400", None]) == (3, 2)
    duration = "netd_http_request_duration_seconds"
    buckets = [found[f"{duration}_bucket", None, None, bound] for bound in ("0.001", "0.5", "+Inf")]
    assert buckets == [4, 5, 5]
    assert found[f"{duration}_sum", None, None, None] == 0.0025
    assert found[f"{duration}_count", None, None, None] == 5
    assert found["netd_certificate_expiry_time_seconds", None, None, None] == 1_900_000_000
    assert found["netd_certificate_renewal_time_seconds", None, None, None] == 1_800_000_000
    assert found["process_resident_memory_bytes", None, None, None] == 4096


@pytest.mark.needs("promtool")
def test_promtool_has_no_complaint(daemon: Daemon) -> None:
    for _ in range(2):  # then the first response is counted
        metrics = fetch(daemon, "/metrics")
    command = ["promtool", "check", "metrics"]
    check = subprocess.run(command, input=metrics, capture_output=True, text=True, check=False)
    assert (check.returncode, check.stdout + check.stderr) == (0, "")


def test_names_are_escaped() -> None:
    assert samples(format_metrics(status(HOSTILE)))["netd_listener_up", HOSTILE] == 0
    page = Cells(format_page(status(HOSTILE)))
    assert page.texts[f"{HOSTILE}/7/error"] == HOSTILE.partition("\n")[0]


def test_a_status_that_never_arrives_is_a_503(start: Start) -> None:
    worker = start({"path": "/", "status": True}, send_timeout="200ms")
    assert ask(worker, "/").status == 503
    worker.await_counters(lambda c: c["timeouts"] == 1 and c["connections"] == 0)


def test_a_client_that_leaves_while_it_waits_is_closed(start: Start, tmp_path: Path) -> None:
    worker = start({"path": "/", "status": True}, addresses=[f"unix://{tmp_path}/s"])
    with worker.connect() as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert worker.await_counters(lambda c: c["bytes_in"] > 0)["connections"] == 1
    worker.await_counters(lambda c: c["connections"] == 0)
