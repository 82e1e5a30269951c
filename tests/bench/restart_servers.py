"""The servers whose restarts are measured, and the ways to restart each one."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.harness_process import accepts
from tests.bench.processes import is_alive
from tests.bench.usage import family
from tests.handover.scenario import Scenario
from tests.played_systemd import ManagedDaemon

_START_S: Final = 60.0
_UNIT: Final = Path(__file__).parents[2] / "packaging" / "systemd" / "netd.service"
_NGINX: Final = """\
user root;
error_log @DIR/errors;
worker_processes 1;
pid @DIR/pid;
events { worker_connections 1024; }
http {
  access_log off;
  sendfile on;
  keepalive_requests 1000000000;
  client_body_temp_path @DIR/1; proxy_temp_path @DIR/2; fastcgi_temp_path @DIR/3;
  uwsgi_temp_path @DIR/4; scgi_temp_path @DIR/5;
  server {
    listen 127.0.0.1:@WEB backlog=1024;
    root @DIR/www;
    location = /hello { default_type text/plain; return 200 "hello"; }
  }
}
"""
_HAPROXY: Final = """\
global
  maxconn 400
  stats socket @DIR/stats expose-fd listeners
defaults
  mode http
  timeout client 60s
frontend web
  bind 127.0.0.1:@WEB backlog 1024
  http-request return status 200 content-type text/plain string "hello"
"""
_NGIRCD: Final = """\
[Global]
Name = irc.bench.test
Info = bench
Listen = 127.0.0.1
Ports = @LOUNGE
[Limits]
MaxConnectionsIP = 0
MaxConnections = 0
MaxPenaltyTime = 0
[Options]
DNS = no
Ident = no
PAM = no
"""


@dataclass(slots=True)
class Server:
    """A running server, and what can be done to it, by name."""

    name: str
    scenario: Scenario
    events: Mapping[str, Callable[[], object]]
    types: tuple[str, ...]
    """The types of clients that it can serve, or their beginnings."""
    paths: Mapping[str, str] | None = None
    """The paths that it serves, if they are not those of the scenario."""
    settle: Callable[[], object] = lambda: None
    """Waits until the server is ready for another event."""


@contextlib.contextmanager
def netd(directory: Path) -> Iterator[Server]:
    """A netd under a played systemd, whose reloads replace every worker."""
    scenario = Scenario(directory, drain_s=10)
    module = "tests.handover.replacing_netd"
    # Python compiles an installed program only once; here it may not write beside the sources.
    compiled = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(directory / "compiled")}
    daemon = ManagedDaemon(directory, scenario.text(), module=module, environ=compiled)
    if "RestartKillSignal" not in _UNIT.read_text():
        daemon.systemd.restart_signal = signal.SIGTERM

    def reload() -> None:
        scenario.generation += 1
        daemon.write(scenario.text())
        reply = daemon.reload()
        assert not reply.error, reply.error

    def upgrade() -> None:
        done = daemon.netd("upgrade")
        assert done.returncode == 0, done.stderr

    events = {"reload, new workers": reload, "restart": daemon.systemd.restart}
    if "upgrade" in daemon.netd("--help").stdout:
        events["upgrade"] = upgrade
    try:
        daemon.systemd.start()
        daemon.systemd.restart()  # by compiled code
        yield Server("netd", scenario, events, ("http", "echo", "chat"))
    finally:
        daemon.systemd.close()


@dataclass(slots=True)
class _Program:
    """A program that listens on one port; with `pid_file`, it goes to the background."""

    port: int
    command: list[str]
    log: Path
    stop_signal: signal.Signals = signal.SIGTERM
    pid_file: Path | None = None
    process: subprocess.Popen[bytes] | None = None
    former: int = 0
    """The master process before the last upgrade."""

    @property
    def pid(self) -> int:
        """The first process; 0 while there is none."""
        if self.pid_file is None:
            return self.process.pid if self.process is not None else 0
        try:
            return int(self.pid_file.read_text() or 0)
        except FileNotFoundError:
            return 0

    def start(self) -> None:
        """Start it, and wait until it accepts connections."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        if self.pid_file is None:
            self.process = process
        else:
            assert process.wait(_START_S) == 0, self.log.read_text()
        self.await_true(lambda: self.pid and accepts(self.port))

    def restart(self) -> None:
        """Stop it as its Debian unit does, for at most five seconds, and start it."""
        pids = list(family(self.pid))
        os.kill(pids[0], self.stop_signal)
        deadline = time.monotonic() + 5
        while self._is_alive(pids[0]) and time.monotonic() < deadline:
            time.sleep(0.002)
        self.kill(pids)
        self.start()

    def reload(self, signum: signal.Signals) -> None:
        """Reload, and wait until there is another worker."""
        before = set(family(self.pid))
        os.kill(self.pid, signum)
        self.await_true(lambda: set(family(self.pid)) - before)

    def upgrade(self) -> None:
        """Replace nginx as its manual says: USR2 to the old master, then QUIT."""
        old = self.former = self.pid
        os.kill(old, signal.SIGUSR2)
        self.await_true(lambda: self.pid not in (0, old) and len(list(family(self.pid))) > 1)
        os.kill(old, signal.SIGQUIT)

    def settle(self) -> None:
        """Wait until the former master has ended: a new one ignores USR2 before."""
        self.await_true(lambda: not self.former or not is_alive(self.former))

    def kill(self, pids: Sequence[int] = ()) -> None:
        """Kill processes, or the first one and its descendants."""
        for pid in pids or [*family(self.pid), *(family(self.former) if self.former else ())]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.process is not None:
            self.process.wait()

    def await_true(self, condition: Callable[[], object]) -> None:
        """Wait for something that the program does."""
        deadline = time.monotonic() + _START_S
        while not condition():
            assert time.monotonic() < deadline, f"{self.command}: {self.log.read_text()}"
            time.sleep(0.002)

    def _is_alive(self, pid: int) -> bool:
        if self.process is not None:
            return self.process.poll() is None
        return is_alive(pid)


@contextlib.contextmanager
def nginx(directory: Path) -> Iterator[Server]:
    """One nginx with one worker; a restart is that of its Debian unit (QUIT)."""
    scenario = Scenario(directory)
    program = _Program(
        port=scenario.ports["web"],
        command=[
            shutil.which("nginx") or "nginx",
            "-c",
            str(_write(scenario, "nginx.conf", _NGINX)),
        ],
        log=directory / "log",
        stop_signal=signal.SIGQUIT,
        pid_file=directory / "pid",
    )
    events = {
        "reload, new workers": lambda: program.reload(signal.SIGHUP),
        "restart": program.restart,
        "upgrade": program.upgrade,
    }
    with _running(program):
        yield Server("nginx", scenario, events, ("http",), settle=program.settle)


@contextlib.contextmanager
def haproxy(directory: Path) -> Iterator[Server]:
    """HAProxy with a master and a worker, which gets the listening sockets of its predecessor."""
    scenario = Scenario(directory)
    config = _write(scenario, "haproxy.cfg", _HAPROXY)
    command = ["haproxy", "-W", "-f", str(config)]
    program = _Program(scenario.ports["web"], command, directory / "log")
    events = {
        "reload, new workers": lambda: program.reload(signal.SIGUSR2),
        "restart": program.restart,
    }
    with _running(program):
        yield Server("HAProxy", scenario, events, ("http kept", "http new"), {"/hello": "hello"})


@contextlib.contextmanager
def ngircd(directory: Path) -> Iterator[Server]:
    """One ngircd."""
    scenario = Scenario(directory)
    config = _write(scenario, "ngircd.conf", _NGIRCD)
    command = ["ngircd", "-n", "-f", str(config)]
    program = _Program(scenario.ports["lounge"], command, directory / "log")
    with _running(program):
        yield Server("ngircd", scenario, {"restart": program.restart}, ("chat",))


SERVERS: Final = {"netd": netd, "nginx": nginx, "haproxy": haproxy, "ngircd": ngircd}
"""By the name of the program."""


@contextlib.contextmanager
def running(name: str) -> Iterator[Server]:
    """Run a server in a temporary directory."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        with SERVERS[name](Path(directory)) as server:
            yield server


def is_installed(name: str) -> bool:
    """Whether a server can run here; says so if not."""
    found = name == "netd" or shutil.which(name) is not None
    if not found:
        print(f"{name} is not installed, and left out", file=sys.stderr)
    return found


def _write(scenario: Scenario, name: str, text: str) -> Path:
    path = scenario.directory / name
    text = text.replace("@DIR", str(scenario.directory))
    for listener, port in scenario.ports.items():
        text = text.replace(f"@{listener.upper()}", str(port))
    path.write_text(text)
    return path


@contextlib.contextmanager
def _running(program: _Program) -> Iterator[None]:
    program.start()
    try:
        yield
    finally:
        program.kill()
