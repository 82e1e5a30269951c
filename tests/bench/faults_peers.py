"""The servers of the table of faults, which serve a text that their configuration has.

Each server has one worker process, so the outage of a worker is seen. ngircd is one process, and
supervisord runs a small program that answers with the text.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from tests.bench import harness_process
from tests.bench.processes import is_alive
from tests.bench.usage import family

FAULTY_LINE: Final = 37
"""The line of a bad configuration that has its fault."""
_HOST: Final = "127.0.0.1"
_START_S: Final = 10.0
_COMMAND_S: Final = 15.0
_PROGRAM: Final = """
import socketserver, sys
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        self.rfile.readline()
        self.wfile.write(sys.argv[2].encode() + b"\\n")
class Server(socketserver.TCPServer):
    allow_reuse_address = True
    request_queue_size = 128
Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
_APPLICATION: Final = """
def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"{text}"]
"""


def _ask_http(port: int, timeout_s: float) -> str:
    connection = http.client.HTTPConnection(_HOST, port, timeout=timeout_s)
    with contextlib.closing(connection):
        connection.request("GET", "/")
        return connection.getresponse().read().decode()


def _ask_program(port: int, timeout_s: float) -> str:
    with socket.create_connection((_HOST, port), timeout_s) as sock:
        sock.sendall(b"?\n")
        return sock.makefile().readline().strip()


def _ask_irc(port: int, timeout_s: float) -> str:
    """The message of the day."""
    with socket.create_connection((_HOST, port), timeout_s) as sock:
        nick = f"f{sock.getsockname()[1]}"
        sock.sendall(f"NICK {nick}\r\nUSER f 0 * :f\r\n".encode())
        for line in sock.makefile(encoding="utf-8"):
            if " 372 " in line and "- " in line:
                return line.rpartition("- ")[2].strip()
    return ""


@dataclass(frozen=True, slots=True)
class Peer:
    """A server; in its texts, names in capitals after `@` are filled in."""

    name: str
    package: str
    command: Sequence[str]
    files: dict[str, str]
    """By name; the first one is the configuration."""
    fault: str
    """A line that makes the configuration faulty."""
    ask: Callable[[int, float], str] = _ask_http
    reload: Sequence[str] | signal.Signals = signal.SIGHUP
    """The command that reloads, or the signal to the first process."""
    has_worker: bool = True


_NETD: Final = (sys.executable, "-m", "netd")

PEERS: Final = (
    Peer(
        name="netd",
        package="",
        command=(*_NETD, "run", "--config", "@DIR/netd.toml"),
        reload=(*_NETD, "reload", "--config", "@DIR/netd.toml"),
        files={
            "netd.toml": """\
[netd]
control = "@DIR/control"
[listeners.web]
kind = "http"
address = "tcp://127.0.0.1:@PORT"
access_log = "@LOG"
routes = [{ path = "/", text = "@TEXT" }]
"""
        },
        fault='colour = "red"',
    ),
    Peer(
        name="nginx",
        package="nginx-light",
        command=("nginx", "-c", "@DIR/nginx.conf", "-e", "stderr"),
        reload=("nginx", "-c", "@DIR/nginx.conf", "-e", "stderr", "-s", "reload"),
        files={
            "nginx.conf": """\
daemon off;
user root;
worker_processes 1;
pid @DIR/pid;
error_log stderr notice;
events { worker_connections 512; }
http {
  access_log @LOG;
  client_body_temp_path @DIR/1; proxy_temp_path @DIR/2; fastcgi_temp_path @DIR/3;
  uwsgi_temp_path @DIR/4; scgi_temp_path @DIR/5;
  server { listen 127.0.0.1:@PORT; default_type text/plain; return 200 "@TEXT"; }
}
"""
        },
        fault="colour red;",
    ),
    Peer(
        name="HAProxy",
        package="haproxy",
        command=("haproxy", "-W", "-f", "@DIR/haproxy.cfg"),
        reload=signal.SIGUSR2,
        files={
            "haproxy.cfg": """\
global
  maxconn 400
  log stderr format raw local0
defaults
  mode http
  log global
  option httplog
  timeout client 10s
frontend web
  bind 127.0.0.1:@PORT
  http-request return status 200 content-type text/plain string "@TEXT"
"""
        },
        fault="  colour red",
    ),
    Peer(
        name="gunicorn",
        package="gunicorn",
        command=("gunicorn", "--chdir", "@DIR", "-c", "@DIR/settings.py", "app:wsgi"),
        files={
            "settings.py": 'bind = "127.0.0.1:@PORT"\naccesslog = "@LOG"\n',
            "app.py": _APPLICATION.replace("{text}", "@TEXT"),
        },
        fault="colour = (",
    ),
    Peer(
        name="supervisord",
        package="supervisor",
        command=("supervisord", "-n", "-c", "@DIR/supervisord.conf"),
        reload=("supervisorctl", "-c", "@DIR/supervisord.conf", "update"),
        files={
            "supervisord.conf": f"""\
[unix_http_server]
file=@DIR/control
[supervisord]
logfile=/dev/stdout
logfile_maxbytes=0
pidfile=@DIR/pid
childlogdir=@DIR
user=root
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://@DIR/control
[program:answer]
command={sys.executable} @DIR/program.py @PORT @TEXT
autorestart=true
""",
            "program.py": _PROGRAM,
        },
        fault="colour",
        ask=_ask_program,
    ),
    Peer(
        name="ngircd",
        package="ngircd",
        command=("ngircd", "-n", "-f", "@DIR/ngircd.conf"),
        files={
            "ngircd.conf": """\
[Global]
Name = irc.bench.test
Info = bench
Listen = 127.0.0.1
Ports = @PORT
MotdPhrase = @TEXT
[Limits]
MaxConnectionsIP = 0
[Options]
DNS = no
Ident = no
PAM = no
"""
        },
        fault="Colour = red",
        ask=_ask_irc,
        has_worker=False,
    ),
)


class Instance:
    """A server in a temporary directory, with a port and a text of its own."""

    def __init__(self, peer: Peer, directory: Path, access_log: str) -> None:
        self.peer = peer
        self.port = harness_process.free_port()
        self._directory, self._access_log = directory, access_log
        self._log = directory / "log"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._descendants: set[int] = set()

    @classmethod
    @contextlib.contextmanager
    def prepared(cls, peer: Peer, *, access_log: str = "") -> Iterator[Self]:
        """An instance that is not started yet; afterwards no process of it is left."""
        with tempfile.TemporaryDirectory() as name:
            os.chmod(name, 0o755)
            instance = cls(peer, Path(name), access_log or f"{name}/access.log")
            instance.write("first")
            try:
                yield instance
            finally:
                instance.end()

    @property
    def master(self) -> subprocess.Popen[bytes]:
        """The process that was started last."""
        return self._processes[-1]

    @property
    def log(self) -> str:
        """The output of the server so far, standard output and standard error."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def write(self, text: str, *, is_faulty: bool = False) -> None:
        """Write the configuration, with the text to serve."""
        for number, (name, template) in enumerate(self.peer.files.items()):
            content = self._fill(template).replace("@TEXT", text)
            if is_faulty and number == 0:
                padding = FAULTY_LINE - 1 - content.count("\n")
                content += "#\n" * padding + f"{self.peer.fault}\n"
            (self._directory / name).write_text(content)

    def start(self, output: int | None = None) -> None:
        """Start the server; its standard output and error go to a descriptor or to its log."""
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                [self._fill(word) for word in self.peer.command],
                stdin=subprocess.DEVNULL,
                stdout=log if output is None else output,
                stderr=subprocess.STDOUT,
                cwd=self._directory,
                start_new_session=True,
            )
        self._processes.append(process)

    def await_text(self, text: str, within_s: float = _START_S) -> float | None:
        """The seconds until the server answers with the text; None if it does not in time."""
        began = time.monotonic()
        while (now := time.monotonic()) < began + within_s:
            if self.answer(1.0) == text:
                return time.monotonic() - began
            time.sleep(max(0.0, min(0.05, began + within_s - now)))
        return None

    def answer(self, timeout_s: float) -> str | None:
        """The text that a new client gets; None if it does not get one in time."""
        try:
            return self.peer.ask(self.port, timeout_s)
        except (OSError, http.client.HTTPException):
            return None

    def reload(self) -> tuple[int | None, str]:
        """Reload; returns the exit status and output of the command, if there is a command."""
        how = self.peer.reload
        if isinstance(how, signal.Signals):
            self.master.send_signal(how)
            return None, ""
        try:
            run = subprocess.run(
                [self._fill(word) for word in how],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=_COMMAND_S,
            )
        except subprocess.TimeoutExpired:
            return -1, ""
        return run.returncode, run.stdout + run.stderr

    def processes(self) -> list[int]:
        """The first process and its descendants."""
        found = [pid for pid in family(self.master.pid) if is_alive(pid)]
        self._descendants.update(found)
        return found

    def workers(self) -> list[int]:
        """The processes that serve."""
        found = self.processes()
        return found[1:] if self.peer.has_worker else found[:1]

    def end(self) -> None:
        """End every process that was seen: first the masters, which end theirs."""
        for process in self._processes:
            if process.poll() is None:
                self._descendants.update(family(process.pid))
                process.send_signal(signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(1.0)
        for pid in self._descendants:
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)
        for process in self._processes:
            process.kill()
            process.wait()

    def _fill(self, template: str) -> str:
        for name, value in (
            ("@DIR", str(self._directory)),
            ("@PORT", str(self.port)),
            ("@LOG", self._access_log),
        ):
            template = template.replace(name, value)
        return template
