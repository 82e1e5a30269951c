"""Restarts and upgrades of a whole daemon, with a kind that numbers lines."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from netd.errors import ControlError
from tests.numbering import PATIENT
from tests.played_systemd import ManagedDaemon
from tests.support import (
    COMMAND_S,
    PATIENCE_S,
    connect,
    memory_files,
    open_files,
    stop_process,
    wait_until,
)

LINES = """
[netd]
drain_timeout = "500ms"

[listeners.lines]
kind = "numbering"
address = ["tcp://127.0.0.1:0", "unix://{directory}/lines.sock"]
"""


class NumberingDaemon(ManagedDaemon):
    """netd with the kind `numbering`, as a unit of a played systemd."""

    def __init__(self, directory: Path, **environ: str) -> None:
        lines = LINES.format(directory=directory)
        super().__init__(directory, lines, module="tests.numbering", environ=environ)
        self.lines = LINES.format(directory=directory)

    def netd(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tests.numbering", *arguments]
        return subprocess.run(
            [*command, "--config", str(self.config)],
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[NumberingDaemon]:
    daemon = NumberingDaemon(tmp_path)
    daemon.systemd.start()
    yield daemon
    daemon.systemd.close()


def ask(client: socket.socket) -> int:
    client.sendall(b"x\n")
    return int(client.recv(100))


def test_a_restart_keeps_clients_and_addresses(daemon: NumberingDaemon) -> None:
    address = daemon.address("lines")
    with daemon.connect("lines") as tcp, daemon.connect("lines", 1) as unix:
        for number in range(1, 4):
            assert (ask(tcp), ask(unix)) == (number, number)
            [before] = daemon.pids("lines")
            daemon.systemd.restart()
            assert daemon.pids("lines") != [before]
            assert daemon.address("lines") == address
        assert (ask(tcp), ask(unix)) == (4, 4)
    assert len(daemon.systemd.stored_names()) == 3  # two sockets, and the configuration
    assert daemon.systemd.stop() == 0
    assert not (daemon.directory / "lines.sock").exists()


def test_a_restart_takes_the_changed_file(daemon: NumberingDaemon) -> None:
    with daemon.connect("lines") as client:
        assert ask(client) == 1
        daemon.write(daemon.lines + "step = 10\n")
        daemon.systemd.restart()
        assert ask(client) == 11


def test_a_restart_with_a_broken_file_serves_the_previous_configuration(
    daemon: NumberingDaemon,
) -> None:
    with daemon.connect("lines") as client:
        assert ask(client) == 1
        daemon.write("[listeners.lines")
        daemon.systemd.restart()
        assert ask(client) == 2
        assert daemon.status()["last_reload"]["ok"] is False
        assert "last reload refused" in daemon.systemd.values("STATUS")[-1]
        daemon.systemd.restart()
        assert ask(client) == 3


def test_starts_that_fail_leave_the_clients_to_the_next_one(daemon: NumberingDaemon) -> None:
    directory = daemon.directory / "control"
    directory.mkdir()
    daemon.control = str(directory / "control.sock")
    daemon.write(daemon.lines)
    daemon.systemd.kill(signal.SIGHUP)
    wait_until(daemon.serves, "the control socket at its other place")
    with daemon.connect("lines") as tcp, daemon.connect("lines", 1) as unix:
        assert (ask(tcp), ask(unix)) == (1, 1)
        address = daemon.address("lines", 1)
        directory.rename(daemon.directory / "away")
        daemon.systemd.begin_restart()
        wait_until(lambda: daemon.systemd.exits.count(os.EX_UNAVAILABLE) >= 2, "failed starts")
        with connect(address) as waiting:
            (daemon.directory / "away").rename(directory)
            daemon.systemd.await_ready()
            assert (ask(tcp), ask(unix), ask(waiting)) == (2, 2, 1)


def test_clients_of_a_removed_listener_are_drained_after_a_restart(
    daemon: NumberingDaemon,
) -> None:
    with daemon.connect("lines") as client:
        assert ask(client) == 1
        echo = '[listeners.echo]\nkind = "echo"\naddress = "tcp://127.0.0.1:0"\n'
        daemon.write(f'[netd]\ndrain_timeout = "10ms"\n{echo}')
        daemon.systemd.restart()
        assert client.recv(100) == b""


def test_a_stray_signal_loses_no_client(daemon: NumberingDaemon) -> None:
    with daemon.connect("lines") as client:
        assert ask(client) == 1
        pid = daemon.status()["pid"]
        os.kill(pid, signal.SIGUSR2)
        wait_until(lambda: _pid(daemon) not in (0, pid), "the next process")
        assert ask(client) == 2


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("broken", "cannot be handed over"), ("stopped", "no handover within"), ("killed", "ended")],
)
def test_a_worker_that_cannot_hand_over_leaves_its_snapshot(
    daemon: NumberingDaemon, fault: str, reason: str
) -> None:
    [pid] = daemon.pids("lines")
    supervisor = daemon.status()["pid"]
    before = memory_files(supervisor)
    with daemon.connect("lines") as client:
        client.sendall(f"{fault}\n".encode())
        assert client.recv(100) == b"1\n"
        wait_until(lambda: memory_files(supervisor) - before, "a snapshot")
        if fault == "stopped":
            stop_process(pid)
        if fault == "killed":
            stop_process(supervisor)  # it does not start another one
            _kill(pid)
        daemon.systemd.begin_restart()
        if fault == "killed":
            os.kill(supervisor, signal.SIGCONT)
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(100) == b""
        daemon.systemd.await_ready()
        assert reason in daemon.log.read_text()
    with daemon.connect("lines") as client:
        client.sendall(b"total\n")
        assert client.recv(100) == b"1\n"


def _kill(pid: int) -> None:
    """Kill a process and wait for its end: a busy machine takes its time."""
    pidfd = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    assert select.select([pidfd], [], [], PATIENCE_S)[0]
    os.close(pidfd)


def test_the_workers_have_ended_when_the_supervisor_ends(tmp_path: Path) -> None:
    daemon = NumberingDaemon(tmp_path, **{PATIENT: "yes"})
    daemon.systemd.start()
    with daemon.systemd, daemon.connect("lines") as client:
        assert ask(client) == 1
        daemon.systemd.restart()
        assert ask(client) == 2
        assert daemon.systemd.killed == 0


def test_a_removed_listener_does_not_delay_a_restart(daemon: NumberingDaemon) -> None:
    with daemon.connect("lines") as client:
        assert ask(client) == 1
        echo = '[listeners.echo]\nkind = "echo"\naddress = "tcp://127.0.0.1:0"\n'
        daemon.write(f'[netd]\ndrain_timeout = "5m"\n{echo}')
        assert daemon.reload().error == ""
        assert ask(client) == 2
        daemon.systemd.restart()
        assert client.recv(100) == b""


def test_without_a_store_the_clients_are_drained(daemon: NumberingDaemon) -> None:
    daemon.systemd.replies_to_barriers = False
    with daemon.connect("lines") as client:
        assert ask(client) == 1
        daemon.systemd.begin_restart()
        wait_until(lambda: "keeps its clients" in daemon.log.read_text(), "the reason")
        assert ask(client) == 2


def test_an_upgrade_keeps_the_process_and_the_clients(daemon: NumberingDaemon) -> None:
    pid = daemon.status()["pid"]
    sockets = _sockets(pid)
    with daemon.connect("lines") as tcp, daemon.connect("lines", 1) as unix:
        for number in range(1, 4):
            assert (ask(tcp), ask(unix)) == (number, number)
            [before] = daemon.pids("lines")
            done = daemon.netd("upgrade")
            assert done.returncode == 0, done
            assert re.fullmatch(rf"upgraded: netd \S+ serves, pid {pid}\n", done.stdout)
            assert daemon.pids("lines") != [before]
        assert (ask(tcp), ask(unix)) == (4, 4)
    wait_until(lambda: _children(pid) == daemon.pids("lines"), "the end of other children")
    wait_until(lambda: _sockets(pid) <= sockets, "no socket that is left open")
    assert daemon.systemd.stop() == 0


@pytest.mark.needs("strace")
def test_a_program_that_is_killed_at_once_leaves_the_clients_to_the_next_one(
    daemon: NumberingDaemon,
) -> None:
    pid = daemon.status()["pid"]
    with daemon.connect("lines") as client:
        assert ask(client) == 1
        with killing_after_execve(pid):
            done = daemon.netd("upgrade")
        assert done.returncode == 0, done
        assert daemon.status()["pid"] != pid
        assert ask(client) == 2


@contextlib.contextmanager
def upgrading(daemon: NumberingDaemon) -> Iterator[subprocess.Popen[str]]:
    """An upgrade that waits for the service manager's store."""
    daemon.systemd.replies_to_barriers = False
    command = [sys.executable, "-m", "tests.numbering", "upgrade", "--config", str(daemon.config)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as upgrade:
        wait_until(lambda: "clients.lines.0" in daemon.systemd.stored_names(), "the bundle")
        daemon.systemd.replies_to_barriers = True
        yield upgrade


def test_a_restart_goes_before_an_upgrade_that_is_in_progress(daemon: NumberingDaemon) -> None:
    pid = daemon.status()["pid"]
    with daemon.connect("lines") as client:
        assert ask(client) == 1
        with upgrading(daemon) as upgrade:
            daemon.systemd.restart()
            assert ask(client) == 2
            assert "netd is being restarted" in upgrade.communicate(timeout=PATIENCE_S)[1]
        assert upgrade.returncode == os.EX_CONFIG
        assert daemon.status()["pid"] != pid


def test_a_stop_goes_before_an_upgrade_that_is_in_progress(daemon: NumberingDaemon) -> None:
    with daemon.connect("lines") as client, upgrading(daemon) as upgrade:
        assert daemon.systemd.stop() == 0
        assert client.recv(100) == b""
        assert "netd is stopping" in upgrade.communicate(timeout=PATIENCE_S)[1]


def test_a_second_signal_during_a_restart_changes_nothing(daemon: NumberingDaemon) -> None:
    daemon.systemd.replies_to_barriers = False
    pid = daemon.status()["pid"]
    with daemon.connect("lines") as client:
        assert ask(client) == 1
        daemon.systemd.begin_restart()
        wait_until(lambda: "clients.lines.0" in daemon.systemd.stored_names(), "the bundle")
        os.kill(pid, signal.SIGUSR2)
        os.kill(pid, signal.SIGHUP)
        daemon.systemd.release_barriers()
        wait_until(lambda: _pid(daemon) not in (0, pid), "the next process")
        assert ask(client) == 2


def test_an_upgrade_that_cannot_succeed_changes_nothing(daemon: NumberingDaemon) -> None:
    with daemon.connect("lines") as client:
        assert ask(client) == 1
        before = daemon.pids("lines")
        daemon.write("[listeners.lines")
        done = daemon.netd("upgrade")
        assert done.returncode == os.EX_CONFIG
        assert "netd.toml:" in done.stderr
        assert daemon.pids("lines") == before
        assert ask(client) == 2


def test_a_killed_worker_leaves_its_snapshot(daemon: NumberingDaemon) -> None:
    for number in range(1, 4):
        with daemon.connect("lines") as client:
            [pid] = daemon.pids("lines")
            supervisor = daemon.status()["pid"]
            before = memory_files(supervisor)
            assert ask(client) == 1
            wait_until(lambda: memory_files(supervisor) - before, "a snapshot")  # noqa: B023 (now)
            os.kill(pid, signal.SIGKILL)
            assert client.recv(100) == b""
        with daemon.connect("lines") as client:
            client.sendall(b"total\n")
            assert int(client.recv(100)) == number


def test_a_reload_that_needs_a_new_worker_keeps_the_clients(daemon: NumberingDaemon) -> None:
    with daemon.connect("lines") as client:
        assert ask(client) == 1
        for step in range(2, 6):
            daemon.write(f"{daemon.lines}step = {step}\n")
            assert daemon.reload().error == ""
        assert ask(client) == 6


def test_a_reload_whose_new_worker_fails_keeps_the_clients(daemon: NumberingDaemon) -> None:
    with daemon.connect("lines") as client:
        assert ask(client) == 1
        before = daemon.pids("lines")
        daemon.write(f"{daemon.lines}step = 13\n")
        assert "13 is refused" in daemon.reload().error
        assert daemon.pids("lines") == before
        assert ask(client) == 2


@contextlib.contextmanager
def killing_after_execve(pid: int) -> Iterator[None]:
    """Kill a process when its next execve(2) returns, with strace(1)."""
    inject = ["--inject=execve:signal=SIGKILL"]
    command = ["strace", "-qq", "-p", str(pid), "-e", "trace=execve", *inject]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as tracer:
        wait_until(lambda: "TracerPid:\t0" not in Path(f"/proc/{pid}/status").read_text(), "strace")
        yield
        tracer.wait(PATIENCE_S)


def _pid(daemon: NumberingDaemon) -> int:
    try:
        return int(daemon.status()["pid"])
    except ControlError:
        return 0


def _sockets(pid: int) -> int:
    """How many sockets a process has open."""
    return sum(name.startswith("socket:") for name in open_files(pid))


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return sorted(int(child) for child in text.split())
