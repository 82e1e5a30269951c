"""HTTP clients of a daemon whose processes are replaced."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import socket
import ssl
from pathlib import Path

import pytest

from tests.conftest import StartDaemon
from tests.listeners.http.http_client import GET_HELLO, Response
from tests.support import Daemon, make_certificate, stop_process, wait_until

HELLO = b"hello"
SIZE = 8_000_000
CONFIG = """
[listeners.web]
kind = "http"
address = "tcp://127.0.0.1:0"
workers = {workers}
access_log = "{directory}/access.log"
header_timeout = "5m"
body_timeout = "5m"
send_timeout = "5m"
keepalive_timeout = "5m"
{options}

[[listeners.web.routes]]
path = "/hello"
text = "hello"

[[listeners.web.routes]]
path = "/"
directory = "{directory}"

[[listeners.web.routes]]
path = "/echo"
echo = "body"
"""


def configure(directory: Path, workers: int, options: str = "") -> str:
    return CONFIG.format(directory=directory, workers=workers, options=options)


def replace(daemon: Daemon, config: str) -> None:
    """Let another program with new workers take the daemon's place."""
    before = set(daemon.pids("web"))
    daemon.write(config)
    done = daemon.netd("upgrade")
    assert done.returncode == 0, done.stderr
    wait_until(lambda: daemon.status()["last_reload"], "the reload that follows")
    wait_until(lambda: daemon.serves() and not before & set(daemon.pids("web")), "new workers")


def connections(daemon: Daemon) -> int:
    """How many are open, by the last heartbeats."""
    return int(daemon.listener("web")["counters"]["connections"])


def is_alive(pid: int) -> bool:
    """Whether there is such a process, which may be a zombie."""
    return Path(f"/proc/{pid}").exists()


def await_workers(daemon: Daemon, count: int) -> None:
    wait_until(lambda: len(daemon.pids("web")) == count, "the old workers to be gone")


def slow(daemon: Daemon) -> socket.socket:
    """A client that receives little at a time."""
    sock = daemon.connect("web")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    return sock


def test_clients_of_replaced_workers_notice_nothing(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    content = os.urandom(SIZE)
    (tmp_path / "file").write_bytes(content)
    daemon = start_daemon(configure(tmp_path, workers=2))
    with contextlib.ExitStack() as stack:
        kept = [stack.enter_context(daemon.connect("web")) for _ in range(10)]
        head = stack.enter_context(daemon.connect("web"))
        body = stack.enter_context(daemon.connect("web"))
        reading = stack.enter_context(slow(daemon))
        body.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % 3)
        reading.sendall(b"GET /file HTTP/1.1\r\nHost: x\r\n\r\n")
        received = b""
        for number in range(3):
            for sock in kept:
                sock.sendall(GET_HELLO)
                assert Response(sock).body == HELLO
            received += reading.recv(65536)
            head.sendall(GET_HELLO[12 * number : 12 * number + 12])
            body.sendall(b"b")
            replace(daemon, configure(tmp_path, workers=1 + number % 3))
        head.sendall(GET_HELLO[36:])
        assert Response(head).body == HELLO
        assert Response(body).body == b"b" * 3
        while len(received.partition(b"\r\n\r\n")[2]) < SIZE:
            data = reading.recv(65536)
            assert data
            received += data
        digest = hashlib.sha256(received.partition(b"\r\n\r\n")[2]).digest()
        assert digest == hashlib.sha256(content).digest()
        wait_until(lambda: connections(daemon) == 13, "the heartbeats of the new workers")
    log = tmp_path / "access.log"
    wait_until(lambda: log.read_text().count("\n") == 33, "every response in the log")
    assert daemon.log.read_text().count("ERROR") == 0


def test_clients_of_a_surplus_worker_notice_nothing_of_a_reload(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    daemon = start_daemon(configure(tmp_path, workers=2))
    with contextlib.ExitStack() as stack:
        kept = []
        for stopped in daemon.pids("web"):  # so that the other worker accepts the next connection
            stop_process(stopped)
            kept.append(stack.enter_context(daemon.connect("web")))
            kept[-1].sendall(GET_HELLO)
            assert Response(kept[-1]).body == HELLO
            os.kill(stopped, signal.SIGCONT)
        for workers in (1, 3, 2):
            daemon.write(configure(tmp_path, workers))
            done = daemon.netd("reload")
            assert done.returncode == 0, done.stderr
            await_workers(daemon, workers)
            for sock in kept:
                sock.sendall(GET_HELLO)
                assert Response(sock).body == HELLO


@pytest.mark.needs("openssl")
def test_tls_connections_of_replaced_workers_are_served_to_their_end(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    tls = make_certificate(tmp_path, "one.test")
    (tmp_path / "file").write_bytes(bytes(SIZE))
    options = f"tls = {{certificate = '{tls['certificate']}', key = '{tls['key']}'}}"
    daemon = start_daemon(configure(tmp_path, 1, options))
    context = ssl.create_default_context(cafile=tls["certificate"])

    def connect(sock: socket.socket) -> ssl.SSLSocket:
        return context.wrap_socket(sock, server_hostname="one.test", suppress_ragged_eofs=False)

    with connect(daemon.connect("web")) as idle, connect(slow(daemon)) as reading:
        idle.sendall(GET_HELLO)
        assert Response(idle).body == HELLO
        reading.sendall(b"GET /file HTTP/1.1\r\nHost: x\r\n\r\n")
        assert reading.recv(1) == b"H"
        before = daemon.pids("web")
        for workers in (2, 1):
            replace(daemon, configure(tmp_path, workers, options))
        assert idle.recv(1) == b""  # close_notify
        assert all(map(is_alive, before))
        received = bytearray(b"H")
        reading.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SIZE)
        while data := reading.recv(1_000_000):
            received += data
        assert len(received.partition(b"\r\n\r\n")[2]) == SIZE
        wait_until(lambda: not any(map(is_alive, before)), "the end of the old worker")
    with connect(daemon.connect("web")) as other:
        other.sendall(GET_HELLO)
        assert Response(other).body == HELLO
