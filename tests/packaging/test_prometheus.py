"""The examples for Prometheus and Grafana: rules that fire, and no metric that netd has not."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from netd.listeners.http.routes.metrics import format_metrics
from tests.conftest import StartDaemon
from tests.support import Daemon, make_certificate, wait_until

EXAMPLES = Path(__file__).parents[2] / "config/examples/prometheus"
RULES = EXAMPLES / "netd-alerts.yml"


@pytest.mark.needs("promtool")
def test_each_alert_fires_when_it_should(tmp_path: Path) -> None:
    shutil.copy(RULES, tmp_path)
    tests = shutil.copy(Path(__file__).with_name("netd-alerts-test.yml"), tmp_path)
    command = ["promtool", "test", "rules", tests]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    tested = set(re.findall(r"alertname: (\w+)", Path(tests).read_text()))
    assert tested == set(re.findall(r"- alert: (\w+)", RULES.read_text()))


@pytest.mark.needs("promtool")
def test_prometheus_accepts_the_example(tmp_path: Path) -> None:
    for name in ("prometheus.yml", "netd-alerts.yml"):
        shutil.copy(EXAMPLES / name, tmp_path)
    command = ["promtool", "check", "config", str(tmp_path / "prometheus.yml")]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def metrics_of(daemon: Daemon) -> str:
    return format_metrics(daemon.status())


def test_the_examples_use_metrics_that_netd_has(start_daemon: StartDaemon, tmp_path: Path) -> None:
    tls = make_certificate(tmp_path, "site.test")
    daemon = start_daemon(f"""
[listeners.web]
kind = "http"
address = "tcp://127.0.0.1:0"
tls = {{ certificate = "{tls["certificate"]}", key = "{tls["key"]}" }}
""")
    assert daemon.netd("probe").returncode == 0  # a first response
    assert not daemon.reload().error
    wait_until(lambda: "netd_http_responses_total{" in metrics_of(daemon), "a response to count")
    metrics = metrics_of(daemon)
    known = set(re.findall(r"^(\w+)[ {]", metrics, re.MULTILINE))
    dashboard = json.loads((EXAMPLES / "netd-dashboard.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    used = re.findall(r"\b(?:netd|process)_\w+", "\n".join((*queries, RULES.read_text())))
    assert len(used) > 10
    assert set(used) <= known
