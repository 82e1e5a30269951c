"""`netd probe` at listeners and at addresses, once and many times."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from netd.commands.probe import Target, format_metrics
from netd.config.address import Address
from netd.listeners.kinds import KINDS
from netd.listeners.probe_connection import receive
from tests.support import PATIENCE_S, Daemon, running_daemon

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
    with running_daemon(tmp_path_factory.mktemp("daemon"), CONFIG) as started:
        yield started


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
    metrics = tmp_path / "netd.prom"
    options = ("--count", "3", "--interval", "0.01", "--prometheus", str(metrics))
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # so no other process has it; it does not listen
        nobody = f"tcp://127.0.0.1:{closed.getsockname()[1]}"
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


def test_metrics_that_cannot_be_written_leave_no_file(daemon: Daemon, tmp_path: Path) -> None:
    (tmp_path / "metrics").mkdir()
    probe = daemon.netd("probe", "web", "--prometheus", str(tmp_path / "metrics"))
    assert (probe.returncode, probe.stderr) == (69, f"netd: {tmp_path}/metrics: is a directory\n")
    assert os.listdir(tmp_path) == ["metrics"]


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


@pytest.fixture
def endless_server() -> Iterator[Address]:
    """The address of a server that sends one NOTICE after the other, and reads nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_send_without_end, args=(listening,))
        thread.start()
        yield Address.parse(f"tcp://127.0.0.1:{listening.getsockname()[1]}")
        thread.join()


def _send_without_end(listening: socket.socket) -> None:
    peer, _ = listening.accept()
    with peer, contextlib.suppress(OSError):
        while True:
            peer.sendall(b":irc NOTICE * :wait\r\n" * 100)


def test_a_reply_without_end_ends_the_probe(endless_server: Address) -> None:
    with pytest.raises(TimeoutError):
        KINDS["chat"].probe("chat", endless_server, 0.05)


def test_a_reply_in_many_pieces_has_one_deadline() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(PATIENCE_S)
        theirs.sendall(b"x")
        with pytest.raises(TimeoutError):
            receive(ours, 1, time.monotonic())
        assert receive(ours, 1, time.monotonic() + PATIENCE_S) == b"x"
        assert ours.gettimeout() == PATIENCE_S


def test_an_interrupted_probe_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> str:
        raise KeyboardInterrupt

    target = Target("web", "http", "tcp://[::1]:80", sent=1, works=True)
    monkeypatch.setitem(KINDS, "http", replace(KINDS["http"], probe=interrupt))
    with pytest.raises(KeyboardInterrupt):
        target.probe(1)
    assert (target.sent, target.lost, target.works) == (1, 0, True)


def test_a_target_that_was_not_reached_before_the_interrupt_has_a_summary() -> None:
    assert Target("web", "http", "tcp://[::1]:80").summary().endswith("  0 probes, 0 lost (0%)")


def test_a_target_that_is_given_twice_is_probed_once(daemon: Daemon) -> None:
    address = daemon.listener("web")["addresses"][0]
    assert len(daemon.netd("probe", "web", "web", address, address).stdout.splitlines()) == 2


def test_labels_are_escaped() -> None:
    text = format_metrics([Target("echo", "echo", 'unix:///a"b\\c')])
    assert 'address="unix:///a\\"b\\\\c"} 0.0' in text


@pytest.mark.needs("promtool")
def test_the_metrics_are_those_that_prometheus_reads() -> None:
    target = Target("web", "http", "tcp://[::1]:80", sent=3, lost=1, total_s=0.5, works=True)
    command = ["promtool", "check", "metrics"]
    text = format_metrics([target])
    check = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert (check.returncode, check.stdout + check.stderr) == (0, "")
