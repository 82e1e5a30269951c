"""A daemon below which the files of another version are unpacked: it runs on with its own code."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

import netd
from netd.protocols.password import hash_password
from tests.conftest import StartDaemon
from tests.support import PATIENCE_S, Daemon, make_certificate, read_all, wait_until

POISON = 'raise SystemExit("a file of another version")\n'
BEFORE = """
[listeners.echo]
kind = "echo"
address = "tcp://127.0.0.1:0"

[listeners.web]
kind = "http"
address = "tcp://127.0.0.1:0"
"""
AFTER = """
[listeners.echo]
kind = "echo"
address = ["tcp://127.0.0.1:0", "udp://127.0.0.1:0"]
concurrency = "thread"

[listeners.web]
kind = "http"
address = "tcp://127.0.0.1:0"
workers = 2
tls = {tls}

[[listeners.web.routes]]
path = "/status"
status = true
users = {{ ann = "{password}" }}

[[listeners.web.routes]]
path = "/metrics"
metrics = true

[listeners.lounge]
kind = "chat"
address = ["tcp://127.0.0.1:0", "unix://{directory}/lounge.sock"]
history_file = "{directory}/lounge.sqlite"
tls = {tls}
"""


@pytest.fixture
def daemon(start_daemon: StartDaemon, tmp_path: Path) -> Daemon:
    """A daemon that serves, and whose files were replaced since."""
    package = tmp_path / "lib" / "netd"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(netd.__file__).parent, package, ignore=ignored)
    environ = {"PYTHONPATH": str(package.parent), "PYTHONSAFEPATH": "1"}
    daemon = start_daemon(BEFORE, environ)
    for path in [*package.rglob("*")]:
        if path.suffix == ".pyc":
            path.unlink()
        elif path.is_file():
            path.write_text(POISON)
    done = subprocess.run(
        [sys.executable, "-m", "netd", "check"],
        env={**os.environ, **environ},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert "a file of another version" in done.stderr
    return daemon


@pytest.fixture
def after(daemon: Daemon, tmp_path: Path) -> str:
    """A configuration that needs all that the first one does not."""
    certificate = make_certificate(tmp_path, "localhost")
    tls = ", ".join(f"{key} = {json.dumps(path)}" for key, path in certificate.items())
    hashed = hash_password("secret", os.urandom(16))
    return AFTER.format(tls=f"{{ {tls} }}", password=hashed, directory=daemon.directory)


def ask(daemon: Daemon, target: str, password: str = "") -> str:
    """The response of the web listener over TLS."""
    context = ssl.create_default_context(cafile=str(daemon.directory.parent / "localhost.pem"))
    login = base64.b64encode(f"ann:{password}".encode()).decode()
    request = f"GET {target} HTTP/1.0\r\nHost: x\r\nAuthorization: Basic {login}\r\n\r\n"
    with (
        daemon.connect("web") as sock,
        context.wrap_socket(sock, server_hostname="localhost") as client,
    ):
        client.sendall(request.encode())
        return read_all(client).decode()


def kill_workers(daemon: Daemon) -> None:
    """Kill every worker, and wait until others serve."""
    killed = {pid for name in ("echo", "web", "lounge") for pid in daemon.pids(name)}
    for pid in killed:
        os.kill(pid, signal.SIGKILL)

    def has_recovered() -> bool:
        now = {pid for name in ("echo", "web", "lounge") for pid in daemon.pids(name)}
        return daemon.serves() and not now & killed

    wait_until(has_recovered, "the next workers")


def check_services(daemon: Daemon) -> None:
    """Use what each listener has."""
    status = ask(daemon, "/status", "secret")
    assert "200 OK" in status
    assert "another version" not in status
    assert "401 Unauthorized" in ask(daemon, "/status", "wrong")
    assert "404 Not Found" in ask(daemon, "/nothing")
    assert "netd_" in ask(daemon, "/metrics")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "netd.client.app", "--name", "bob", "--send", "hello"),
            f"unix://{daemon.directory}/lounge.sock",
        ],
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0
    with daemon.connect("echo") as client:
        client.sendall(b"echo")
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"echo"


@pytest.mark.needs("openssl")
def test_a_reload_new_workers_and_the_first_tls_client_need_no_file_of_the_package(
    daemon: Daemon, after: str
) -> None:
    daemon.write(after)
    assert daemon.reload().error == ""
    check_services(daemon)
    kill_workers(daemon)
    check_services(daemon)
    assert daemon.stop() == 0
    assert "Traceback" not in daemon.log.read_text()


@pytest.mark.needs("openssl")
def test_a_faulty_file_is_explained_as_before(daemon: Daemon, after: str) -> None:
    daemon.write(after.replace("workers = 2", "wrokers = 2").replace('"thread"', '"threads"'))
    error = daemon.reload().error
    assert "listeners.web.wrokers: unknown key; did you mean 'workers'?" in error
    assert "listeners.echo.concurrency" in error


def test_pydantic_that_is_missing_for_a_moment_is_named(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    daemon = start_daemon(BEFORE, {"PYTHONPATH": str(site)})
    (site / "pydantic.py").write_text("from pydantic_core import NoSuchThing\n")
    error = daemon.reload().error
    assert error.startswith("the configuration cannot be read: cannot import name 'NoSuchThing'")
    (site / "pydantic.py").unlink()
    assert daemon.reload().error == ""
