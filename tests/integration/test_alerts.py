"""Alerts: Prometheus scrapes a daemon, and Alertmanager posts to its chat, as the manual says."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from tests.conftest import StartDaemon
from tests.integration.test_scripts import CONFIG, TOKEN, join
from tests.support import PATIENCE_S, wait_until

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "config/examples/prometheus"
METRICS = """
[listeners.metrics]
kind = "http"
address = "tcp://127.0.0.1:0"

[[listeners.metrics.routes]]
path = "/metrics"
metrics = true
"""


def configure_alertmanager(directory: Path, port: int) -> Path:
    """The file of the manual, with this token and port."""
    page = (ROOT / "packaging/man/netd-admin.7.in").read_text()
    [text] = re.findall(r"^route: .*?(?=^\.Ed)", page, re.MULTILINE | re.DOTALL)
    text = text.replace(r"\-", "-").replace(r"\(aq", "'")
    text = text.replace("x:TOKEN@127.0.0.1:8080", f"x:{TOKEN}@127.0.0.1:{port}")
    path = directory / "alertmanager.yml"
    path.write_text(text.replace("receiver: chat,", "receiver: chat, group_wait: 1ms,"))
    return path


def configure_prometheus(directory: Path, target: str, alertmanager: str) -> Path:
    """The example, with these addresses."""
    text = (EXAMPLES / "prometheus.yml").read_text().replace("127.0.0.1:9667", target)
    text = text.replace("netd-alerts.yml", str(EXAMPLES / "netd-alerts.yml"))
    text += "global: { scrape_interval: 1s, evaluation_interval: 1s }\n"
    text += f"alerting: {{ alertmanagers: [static_configs: [targets: ['{alertmanager}']]] }}\n"
    path = directory / "prometheus.yml"
    path.write_text(text)
    return path


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.needs("prometheus-alertmanager")
def test_a_real_alertmanager_posts(
    start_daemon: StartDaemon, stack: ExitStack, tmp_path: Path
) -> None:
    daemon = start_daemon(CONFIG)
    ann = join(daemon, stack)
    config = configure_alertmanager(tmp_path, daemon.address("web").port)
    with alertmanager(config, tmp_path) as api:
        alert = {
            "labels": {"alertname": "DiskFull", "instance": "db1"},
            "annotations": {"summary": "98 % of /var are used"},
        }
        connection = http.client.HTTPConnection(api, timeout=PATIENCE_S)
        fields = {"Content-Type": "application/json"}
        connection.request("POST", "/api/v2/alerts", json.dumps([alert]), fields)
        assert connection.getresponse().status == 200
        connection.close()
        assert "firing: DiskFull" in ann.expect("PRIVMSG")
        assert ann.expect("PRIVMSG").endswith(":98 % of /var are used")
        wait_until(lambda: metric(api, "alertmanager_notifications_total") == 1, "its count")
        assert metric(api, "alertmanager_notifications_failed_total") == 0


@pytest.mark.needs("prometheus", "prometheus-alertmanager")
def test_a_refused_reload_is_an_alert_in_the_chat(
    start_daemon: StartDaemon, stack: ExitStack, tmp_path: Path
) -> None:
    daemon = start_daemon(CONFIG + METRICS)
    ann = join(daemon, stack)
    daemon.write(CONFIG.replace('kind = "chat"', 'kind = "chatt"'))
    assert daemon.reload().error
    config = configure_alertmanager(tmp_path, daemon.address("web").port)
    with alertmanager(config, tmp_path) as api:
        target = f"127.0.0.1:{daemon.address('metrics').port}"
        with prometheus(configure_prometheus(tmp_path, target, api), tmp_path / "data"):
            assert "firing: NetdReloadRefused" in ann.expect("PRIVMSG")
            summary = f"netd on {target} refused its configuration file"
            assert ann.expect("PRIVMSG").rstrip().endswith(f":{summary}")


@contextmanager
def alertmanager(config: Path, directory: Path) -> Iterator[str]:
    """Run Alertmanager; its address."""
    own = (f"--storage.path={directory}", "--cluster.listen-address=")
    with started("prometheus-alertmanager", config, *own) as address:
        yield address


@contextmanager
def prometheus(config: Path, directory: Path) -> Iterator[None]:
    """Run Prometheus."""
    with started("prometheus", config, f"--storage.tsdb.path={directory}"):
        yield


@contextmanager
def started(program: str, config: Path, *arguments: str) -> Iterator[str]:
    """Run a server of the Prometheus project; its address."""
    log = config.with_suffix(".log")
    command = (program, f"--config.file={config}", "--web.listen-address=127.0.0.1:0", *arguments)
    with log.open("wb") as file:
        process = subprocess.Popen(command, stderr=file)

    def address() -> str:
        assert process.poll() is None, log.read_text()
        return next(iter(re.findall(r"address=(127\.0\.0\.1:\d+)", log.read_text())), "")

    try:
        wait_until(address, f"{program} to listen")
        yield address()
    finally:
        process.kill()
        process.wait()


def metric(api: str, name: str) -> int:
    """The value of a counter for Slack."""
    with closing(http.client.HTTPConnection(api, timeout=PATIENCE_S)) as connection:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    values = re.findall(rf'^{name}{{.*integration="slack".*}} (\d+)$', text, re.MULTILINE)
    return sum(map(int, values))
