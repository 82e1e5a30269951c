"""`netd probe` at listeners and at addresses, once and many times."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from netd.probe_command import Target, format_metrics
from tests.support import PATIENCE_S, Daemon

CONFIG = """
[listeners.echo]
kind = "echo"
address = ["tcp://127.0.0.1:0", "udp://127.0.0.1:0"]
[listeners.lounge]
kind = "chat"
address = "tcp://127.0.0.1:0"
[listeners.web]
kind = "http"
address = "tcp://127.0.0.1:0"
"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    started = Daemon(tmp_path_factory.mktemp("daemon"), CONFIG)
    started.await_ready()
    yield started
    started.stop()


def test_addresses_are_probed_without_the_daemon_of_the_file(daemon: Daemon) -> None:
    [tcp, udp] = daemon.listener("echo")["addresses"]
    irc = daemon.listener("lounge")["addresses"][0].replace("tcp", "irc")
    http = daemon.listener("web")["addresses"][0].replace("tcp", "http")
    command = [sys.executable, "-m", "netd", "probe", tcp, udp, irc, f"{http}/"]
    probe = subprocess.run(
        [*command, "--config", "/nowhere"], stdout=subprocess.PIPE, text=True, check=True
    )
    names = [line.split()[0] for line in probe.stdout.splitlines()]
    assert names == ["echo", "echo", "chat", "http"]


def test_many_rounds_end_with_a_summary(daemon: Daemon, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = f"tcp://127.0.0.1:{closed.getsockname()[1]}"
    metrics = tmp_path / "netd.prom"
    options = ("--count", "3", "--interval", "0.01", "--prometheus", str(metrics))
    probe = daemon.netd("probe", "web", nobody, *options)
    lines = probe.stdout.splitlines()
    assert (probe.returncode, len(lines)) == (1, 8)
    figure = r"\d+\.\d\d"
    durations = f"min {figure} avg {figure} p99 {figure} max {figure} ms"
    assert re.fullmatch(rf"web  tcp://\S+  3 probes, 0 lost \(0%\), {durations}", lines[-2])
    assert lines[-1] == f"echo  {nobody}  3 probes, 3 lost (100%)"
    text = metrics.read_text()
    assert f'netd_probe_lost_total{{target="echo",address="{nobody}"}} 3.0' in text
    assert f'netd_probe_up{{target="echo",address="{nobody}"}} 0.0' in text
    assert os.listdir(tmp_path) == ["netd.prom"]


def test_an_interrupted_probe_prints_its_summary(daemon: Daemon) -> None:
    command = daemon.netd_command("probe", "web", "--count", "0", "--interval", "0.01")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as probe:
        assert probe.stdout
        assert "  ok  " in probe.stdout.readline()
        probe.send_signal(signal.SIGINT)
        rest, _ = probe.communicate(timeout=PATIENCE_S)
    assert probe.returncode == 0
    assert "probes, 0 lost" in rest.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tcp://host"], "is not a host and a port"),
        (["ftp://host:21"], "is not an address"),
        (["--count", "-1"], "is not a whole number"),
        (["--interval", "0"], "is not a number of seconds"),
        (["--timeout", "nan"], "is not a number of seconds"),
    ],
)
def test_a_wrong_argument_is_a_usage_error(
    daemon: Daemon, arguments: list[str], message: str
) -> None:
    probe = daemon.netd("probe", *arguments)
    assert probe.returncode == os.EX_USAGE
    assert message in probe.stderr


@pytest.mark.needs("promtool")
def test_the_metrics_are_those_that_prometheus_reads() -> None:
    target = Target("web", "http", "tcp://[::1]:80", sent=3, lost=1, total_s=0.5, works=True)
    command = ["promtool", "check", "metrics"]
    text = format_metrics([target])
    check = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert (check.returncode, check.stdout + check.stderr) == (0, "")
