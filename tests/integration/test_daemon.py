"""The daemon as its administrator meets it: start, status, signals, crashes, stop."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import json
import os
import resource
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from netd import cli
from netd.commands import run
from netd.errors import ControlError
from netd.protocols.control import ControlCommand
from netd.supervisor.control_client import send_request
from tests.conftest import StartDaemon
from tests.support import (
    PATIENCE_S,
    Daemon,
    connect,
    read_all,
    read_exactly,
    stop_process,
    wait_until,
)

THREE = """
[listeners.echo]
kind = "echo"
address = ["tcp://127.0.0.1:0", "udp://127.0.0.1:0"]

[listeners.lounge]
kind = "chat"
address = "tcp://127.0.0.1:0"

[listeners.web]
kind = "http"
address = "tcp://127.0.0.1:0"
workers = 2

[[listeners.web.routes]]
path = "/"
text = "Hello from Epoll Server"
"""


def get(daemon: Daemon, path: str = "/") -> bytes:
    with daemon.connect("web") as client:
        client.sendall(b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % path.encode())
        return read_all(client)


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):  # gone before it was opened, or before the read
        return False


def family_of(pid: int) -> list[int]:
    """Every living descendant of a process."""
    found: list[int] = []
    queue = [pid]
    while queue:
        try:
            children = Path(f"/proc/{queue[-1]}/task/{queue.pop()}/children").read_text().split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        found += map(int, children)
        queue += map(int, children)
    return found


def restarted(daemon: Daemon, name: str, restarts: int) -> bool:
    [worker] = daemon.listener(name)["workers"]
    return bool(worker["restarts"] == restarts and worker["state"] == "serving")


def test_every_kind_answers(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(THREE)
    with daemon.connect("echo") as client:
        client.sendall(b"hello")
        assert read_exactly(client, 5) == b"hello"
    with daemon.connect("echo", 1) as client:
        client.send(b"datagram")
        assert client.recv(100) == b"datagram"
    assert get(daemon).endswith(b"\r\n\r\nHello from Epoll Server")
    with daemon.connect("lounge") as client:
        client.sendall(b"NICK bob\r\nUSER bob 0 * :Bob\r\n")
        assert b" 001 bob " in read_exactly(client, 60)


def test_status_as_a_table_and_as_json(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(THREE)
    table = daemon.netd("status")
    assert table.returncode == 0, table.stderr
    assert "LISTENER" in table.stdout
    assert all(name in table.stdout for name in ("echo", "lounge", "web"))
    status = json.loads(daemon.netd("status", "--json").stdout)
    assert status["pid"] == daemon.process.pid
    assert [listener["kind"] for listener in status["listeners"]] == ["echo", "chat", "http"]
    assert len(status["listeners"][2]["workers"]) == 2


def test_status_counts_connections_and_bytes(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(THREE)
    with daemon.connect("echo") as client:
        client.sendall(b"x" * 1000)
        read_exactly(client, 1000)
        wait_until(lambda: daemon.listener("echo")["counters"]["connections"] == 1, "one open")
    wait_until(lambda: daemon.listener("echo")["counters"]["bytes_out"] >= 1000, "the count")
    wait_until(lambda: daemon.listener("echo")["counters"]["connections"] == 0, "none open")
    assert daemon.listener("echo")["counters"]["accepted"] == 1


def test_probe_speaks_to_every_listener(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(THREE)
    probe = daemon.netd("probe")
    assert probe.returncode == 0, probe.stdout
    assert probe.stdout.count("  ok  ") == 4
    assert daemon.netd("probe", "web").stdout.count("\n") == 1
    assert daemon.netd("probe", "nope").returncode == os.EX_UNAVAILABLE


def test_probe_finds_a_listener_that_does_not_work(start_daemon: StartDaemon) -> None:
    patient = '[netd]\nheartbeat_timeout = "5m"\n'
    daemon = start_daemon(patient + THREE.replace("workers = 2", "workers = 1"))
    [pid] = daemon.pids("web")
    stop_process(pid)
    try:
        probe = daemon.netd("probe", "web")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert probe.returncode == 1
    assert "FAILED" in probe.stdout


def test_a_killed_worker_comes_back_and_its_socket_keeps_the_queue(
    start_daemon: StartDaemon,
) -> None:
    daemon = start_daemon(THREE)
    [before] = daemon.pids("lounge")
    os.kill(before, signal.SIGKILL)
    with daemon.connect("lounge") as client:  # waits in the queue until the next worker is there
        client.sendall(b"NICK bob\r\nUSER bob 0 * :Bob\r\n")
        assert b" 001 bob " in read_exactly(client, 60)
    [worker] = daemon.listener("lounge")["workers"]
    assert worker["pid"] != before
    assert worker["restarts"] == 1
    assert worker["last_error"] == "killed by SIGKILL"


def test_the_last_error_is_the_last(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(THREE)
    for restarts, signum in enumerate((signal.SIGKILL, signal.SIGSEGV), 1):
        [pid] = daemon.pids("lounge")
        os.kill(pid, signum)
        wait_until(functools.partial(restarted, daemon, "lounge", restarts), "a restart")
        [worker] = daemon.listener("lounge")["workers"]
        assert worker["last_error"] == f"killed by {signum.name}"


def has_successor(daemon: Daemon, pid: int) -> bool:
    workers = daemon.listener("echo")["workers"]
    return any(worker["pid"] != pid and worker["state"] == "serving" for worker in workers)


def test_a_worker_that_gets_sigterm_finishes_first_and_is_replaced(
    start_daemon: StartDaemon,
) -> None:
    daemon = start_daemon(THREE)
    [before] = daemon.pids("echo")
    with daemon.connect("echo") as client:
        client.sendall(b"one")
        assert read_exactly(client, 3) == b"one"
        os.kill(before, signal.SIGTERM)
        client.sendall(b"two")
        assert read_exactly(client, 3) == b"two"
        with daemon.connect("echo") as newcomer:  # is not kept waiting until the others are gone
            newcomer.sendall(b"three")
            assert read_exactly(newcomer, 5) == b"three"
        wait_until(lambda: has_successor(daemon, before), "the next worker to serve")
        assert before in daemon.pids("echo")
    wait_until(lambda: before not in daemon.pids("echo"), "the end of the worker before")
    [worker] = daemon.listener("echo")["workers"]
    assert worker["state"] == "serving"


def test_a_signal_to_the_whole_group_stops_as_gently(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(THREE)
    with daemon.connect("echo") as client:
        client.sendall(b"one")
        assert read_exactly(client, 3) == b"one"
        os.killpg(daemon.process.pid, signal.SIGTERM)
        client.sendall(b"two")
        assert read_exactly(client, 3) == b"two"
    assert daemon.process.wait(PATIENCE_S) == 0


def test_a_worker_that_keeps_dying_degrades_its_listener_alone(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(THREE)
    for restarts in (1, 2):
        for pid in daemon.pids("lounge"):
            os.kill(pid, signal.SIGKILL)
        wait_until(functools.partial(restarted, daemon, "lounge", restarts), "a restart")
    assert daemon.listener("lounge")["state"] == "degraded"
    wait_until(lambda: daemon.listener("web")["state"] == "serving", "the web to be well")
    assert daemon.netd("status").returncode == 1


@pytest.mark.parametrize("name", ["lounge", "web"])
def test_a_worker_without_descriptors_makes_its_listener_degraded(
    start_daemon: StartDaemon, name: str
) -> None:
    daemon = start_daemon(THREE)
    pids = daemon.pids(name)
    limits = resource.prlimit(pids[0], resource.RLIMIT_NOFILE)
    for pid in pids:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, limits[1]))
    with daemon.connect(name):
        wait_until(lambda: daemon.listener(name)["state"] == "degraded", "the degraded state")
        status = daemon.netd("status")
        assert status.returncode == 1
        assert "cannot accept: Too many open files; connections wait" in status.stdout
        for pid in pids:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        wait_until(lambda: daemon.status()["state"] == "serving", "the recovery")
    wait_until(lambda: len(set(counts(daemon))) == 1, "the recovery of each one")
    assert counts(daemon)[0] in (1, len(pids))


def counts(daemon: Daemon) -> list[int]:
    """How often a worker was degraded, and how often it was well again."""
    log = daemon.log.read_text()
    return [log.count("is degraded: cannot accept"), log.count("is well again")]


def test_the_supervisor_survives_having_no_descriptor_left(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(THREE)
    pid = daemon.process.pid
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, limits[1]))
    with socket.socket(socket.AF_UNIX) as waiting:
        waiting.connect(str(daemon.control))
        waiting.sendall(b'{"command": "status"}\n')
        wait_until(lambda: "cannot accept" in daemon.log.read_text(), "the complaint")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        with waiting.makefile("rb") as answers:
            assert b'"lounge"' in answers.readline()


def test_a_hung_worker_is_replaced(start_daemon: StartDaemon) -> None:
    daemon = start_daemon('[netd]\nheartbeat_timeout = "2s"\n' + THREE)
    [before] = daemon.pids("lounge")
    stop_process(before)
    wait_until(lambda: not alive(before), "the hung worker's end")
    wait_until(lambda: daemon.pids("lounge") not in ([before], [None]), "the next worker")
    assert "no heartbeat" in daemon.listener("lounge")["workers"][0]["last_error"]


def test_stopping_and_continuing_the_supervisor_kills_no_worker(start_daemon: StartDaemon) -> None:
    daemon = start_daemon('[netd]\nheartbeat_timeout = "3s"\n' + THREE)
    before = [daemon.pids(name) for name in ("echo", "lounge", "web")]
    stop_process(daemon.process.pid)
    with pytest.raises(subprocess.TimeoutExpired):
        daemon.process.wait(6)
    daemon.process.send_signal(signal.SIGCONT)
    daemon.status()
    assert [daemon.pids(name) for name in ("echo", "lounge", "web")] == before


def test_no_orphan_outlives_a_killed_supervisor_and_the_next_start_succeeds(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    path = tmp_path / "echo.sock"
    daemon = start_daemon(THREE + f'[listeners.u]\nkind = "echo"\naddress = "unix://{path}"\n')
    family = family_of(daemon.process.pid)
    assert len(family) >= 5
    daemon.process.kill()
    daemon.process.wait()
    wait_until(lambda: not any(map(alive, family)), "the end of every worker")
    assert path.exists(), "a killed supervisor cannot clean up"
    daemon.start()
    daemon.await_ready()
    with daemon.connect("u") as client:
        client.sendall(b"again")
        assert read_exactly(client, 5) == b"again"


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_leaves_nothing_behind(
    start_daemon: StartDaemon, tmp_path: Path, signum: signal.Signals
) -> None:
    path = tmp_path / "echo.sock"
    daemon = start_daemon(THREE + f'[listeners.u]\nkind = "echo"\naddress = "unix://{path}"\n')
    family = family_of(daemon.process.pid)
    assert daemon.stop(signum) == 0, daemon.log.read_text()
    assert not any(map(alive, family))
    assert not path.exists()
    assert not Path(daemon.control).exists()


def test_a_stop_serves_the_connections_that_wait(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(THREE.replace("workers = 2", "workers = 1"))
    address = daemon.address("web")
    [worker] = daemon.pids("web")
    stop_process(worker)
    clients = [connect(address) for _ in range(5)]
    for client in clients:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    daemon.process.send_signal(signal.SIGTERM)
    os.kill(worker, signal.SIGCONT)
    for client in clients:
        with client:
            assert read_all(client).endswith(b"Hello from Epoll Server")
    assert daemon.process.wait(PATIENCE_S) == 0


def test_a_stop_waits_for_an_open_echo_and_a_second_hurries(start_daemon: StartDaemon) -> None:
    daemon = start_daemon('[netd]\ndrain_timeout = "5m"\n' + THREE)
    with daemon.connect("echo") as client:
        client.sendall(b"one")
        assert read_exactly(client, 3) == b"one"
        daemon.process.send_signal(signal.SIGTERM)
        wait_until(lambda: daemon.status()["state"] == "stopping", "the drain")
        daemon.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: "echo: draining, workers" in daemon.log.read_text(), "the report")
        client.sendall(b"two")
        assert read_exactly(client, 3) == b"two"
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(PATIENCE_S) == 0
        assert client.recv(1) == b""


def test_the_drain_has_a_deadline(start_daemon: StartDaemon) -> None:
    daemon = start_daemon('[netd]\ndrain_timeout = "200ms"\n' + THREE)
    with daemon.connect("echo") as client:
        client.sendall(b"x")
        read_exactly(client, 1)
        assert daemon.stop() == 0
    assert "error" not in daemon.log.read_text()  # a cut client is no crash


def answers(control: str) -> bool:
    """Whether a daemon listens there already; the file is there a moment earlier."""
    try:
        send_request(control, ControlCommand.STATUS, PATIENCE_S)
    except ControlError:
        return False
    return True


def test_a_stop_during_the_start_is_no_failure(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(THREE, ready=False)
    wait_until(lambda: answers(daemon.control), "the control socket")
    assert daemon.stop() == 0, daemon.log.read_text()


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_it_runs_with_standard_descriptors_closed(tmp_path: Path, closed: str) -> None:
    control = f"{tmp_path}/control.sock"
    (tmp_path / "netd.toml").write_text(f'[netd]\ncontrol = "{control}"\n{THREE}')
    command = f'exec "$0" -m netd run --config {tmp_path}/netd.toml {closed}'
    with subprocess.Popen(["sh", "-c", command, sys.executable]) as daemon:
        try:
            wait_until(lambda: answers(control) or daemon.poll() is not None, "the socket")
            send_request(
                control, ControlCommand.RELOAD, PATIENCE_S
            )  # is answered once it has started
            [echo, *_] = send_request(control, ControlCommand.STATUS, PATIENCE_S).body["listeners"]
            [worker] = echo["workers"]
            for pid in (daemon.pid, worker["pid"]):
                standard = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in range(3)]
                assert not [
                    target for target in standard if target.startswith(("socket:", "anon_inode:"))
                ]
        finally:
            daemon.terminate()
        assert daemon.wait(PATIENCE_S) == 0


def test_usr1_logs_a_report(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(THREE)
    daemon.process.send_signal(signal.SIGUSR1)
    wait_until(lambda: "lounge: serving, workers" in daemon.log.read_text(), "the report")


def test_a_taken_port_stops_the_start_with_its_name(start_daemon: StartDaemon) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        daemon = start_daemon(
            f'[listeners.web]\nkind = "http"\naddress = "tcp://127.0.0.1:{port}"\n', ready=False
        )
        assert daemon.process.wait(PATIENCE_S) == os.EX_UNAVAILABLE
    assert f"tcp://127.0.0.1:{port}: address already in use" in daemon.log.read_text()


def test_a_system_without_room_stops_the_start_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "netd.toml").write_text(THREE)
    command = f'ulimit -n 5; exec "$0" -m netd run --config {tmp_path}/netd.toml'
    ended = subprocess.run(
        ["sh", "-c", command, sys.executable],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (
        os.EX_OSERR,
        "netd: cannot run: too many open files\n",
    )


def test_a_broken_pipe_of_the_daemon_is_no_success(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_path: str) -> int:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    monkeypatch.setattr(run, "_serve", fail)
    for name in ("open_standard_descriptors", "configure_logging", "preload"):
        monkeypatch.setattr(run, name, lambda *_, **__: None)
    monkeypatch.setattr(sys, "argv", ["netd", "run", "--config", "/dev/null"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == os.EX_OSERR
    assert capsys.readouterr().err == "netd: cannot run: broken pipe\n"


def test_a_bad_file_stops_the_start_with_file_and_line(start_daemon: StartDaemon) -> None:
    daemon = start_daemon('[listeners.web]\nkind = "http"\nworkers = 0\n', ready=False)
    assert daemon.process.wait(PATIENCE_S) == os.EX_CONFIG
    assert "netd.toml:5: listeners.web.workers: " in daemon.log.read_text()
    assert "listeners.web.address: " in daemon.log.read_text()


def test_a_second_daemon_on_one_control_socket_is_refused(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(THREE)
    second = subprocess.run(
        [sys.executable, "-m", "netd", "run", "--config", str(daemon.config)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert second.returncode == os.EX_UNAVAILABLE
    assert "control socket" in second.stderr
    assert daemon.status()["state"] == "serving"


def test_status_without_a_daemon_reports_that(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(THREE)
    daemon.stop()
    status = daemon.netd("status")
    assert status.returncode == os.EX_UNAVAILABLE
    assert f"no netd answers at {daemon.control}" in status.stderr


@pytest.mark.skipif(os.path.exists("/etc/netd.toml"), reason="this machine has its own netd")
def test_a_daemon_at_its_default_path_is_reached_without_any_file(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    daemon = start_daemon(THREE)
    (tmp_path / "run/netd").mkdir(parents=True)
    (tmp_path / "run/netd/control.sock").symlink_to(daemon.control)
    places = {"XDG_RUNTIME_DIR": str(tmp_path / "run"), "XDG_CONFIG_HOME": str(tmp_path / "none")}
    for command, shown in (("status", "serving"), ("probe", " ok "), ("reload", "nothing changed")):
        done = subprocess.run(
            [sys.executable, "-m", "netd", command],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            env={**os.environ, **places},
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert shown in done.stdout


def test_a_client_that_sends_nonsense_on_the_control_socket_gets_an_error(
    start_daemon: StartDaemon,
) -> None:
    daemon = start_daemon(THREE)
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE_S)
        client.connect(daemon.control)
        client.sendall(b"halt!\n" + b"x" * 5000 + b"\n")
        client.shutdown(socket.SHUT_WR)
        replies = read_all(client).splitlines()
    assert b"status, reload" in replies[0]
    assert b"at most" in replies[1]
    assert send_request(daemon.control, ControlCommand.STATUS, PATIENCE_S).error == ""


def test_an_idle_client_of_the_control_socket_makes_room(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(THREE)
    with contextlib.ExitStack() as opened:
        for _ in range(40):
            client = opened.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(daemon.control)
        daemon.await_ready()  # an answer, once the backlog is worked off


def test_the_control_socket_is_for_the_user_and_the_group(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(THREE)
    assert os.stat(daemon.control).st_mode & 0o777 == 0o660


def test_stderr_that_is_not_read_holds_nothing_up(tmp_path: Path) -> None:
    control = f"{tmp_path}/control.sock"
    (tmp_path / "netd.toml").write_text(f'[netd]\ncontrol = "{control}"\n{THREE}')
    reader, writer = os.pipe()
    os.write(writer, bytes(fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)))  # which fills it
    command = [sys.executable, "-m", "netd", "run", "--config", f"{tmp_path}/netd.toml"]
    with subprocess.Popen(command, stderr=writer) as daemon:
        os.close(writer)
        try:
            wait_until(lambda: answers(control) or daemon.poll() is not None, "the socket")
            for _ in range(3):
                assert not send_request(control, ControlCommand.RELOAD, PATIENCE_S).error
            status = send_request(control, ControlCommand.STATUS, PATIENCE_S).body
            [pid, _] = [
                worker["pid"]
                for listener in status["listeners"]
                if listener["name"] == "web"
                for worker in listener["workers"]
            ]
            os.close(reader)
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: restarts(control, "web") == 1, "the successor")
            assert not send_request(control, ControlCommand.RELOAD, PATIENCE_S).error
        finally:
            daemon.terminate()
        assert daemon.wait(PATIENCE_S) == 0


def restarts(control: str, name: str) -> int:
    """How often the worker of a listener was restarted, and serves."""
    listeners = send_request(control, ControlCommand.STATUS, PATIENCE_S).body["listeners"]
    workers = [
        worker
        for listener in listeners
        if listener["name"] == name
        for worker in listener["workers"]
    ]
    return sum(worker["restarts"] for worker in workers if worker["state"] == "serving")


@pytest.mark.parametrize("signum", [signal.SIGHUP, signal.SIGUSR1, signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_any_moment_of_the_start_is_handled(
    start_daemon: StartDaemon, signum: signal.Signals
) -> None:
    """From the moment on that the process runs netd: before that it is Python's."""
    daemon = start_daemon(THREE, ready=False)
    wait_until(lambda: is_prepared(daemon.process.pid), "the blocked signals")
    daemon.process.send_signal(signum)
    if signum in (signal.SIGHUP, signal.SIGUSR1):
        daemon.await_ready()
        assert daemon.stop() == 0
    assert daemon.process.wait(PATIENCE_S) == 0
    assert "Traceback" not in daemon.log.read_text()


def is_prepared(pid: int) -> bool:
    """Whether netd has blocked its signals, or handles them; SIGTERM stands for all of them."""
    status = Path(f"/proc/{pid}/status").read_text()
    masks = [line.split()[1] for line in status.splitlines() if line.startswith(("SigBlk", "SigC"))]
    return any(int(mask, 16) >> (signal.SIGTERM - 1) & 1 for mask in masks)
