"""The daemon under a service manager: its notifications, and the sockets that it gets."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import pytest

from netd.runtime.descriptors import close_all
from tests.conftest import StartDaemon
from tests.support import PATIENCE_S, Daemon, connect, read_exactly, wait_until

LAUNCH = """
import os, sys
end = sys.argv.index("--")
for number, fd in enumerate(sys.argv[1:end], 3):
    os.dup2(int(fd), number, inheritable=True)
    os.close(int(fd))
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[end + 1], sys.argv[end + 1:])
"""
ECHO = '[listeners.echo]\nkind = "echo"\naddress = "tcp://127.0.0.1:0"\n'


class HasFileno(Protocol):
    """A socket or a file."""

    def fileno(self) -> int:
        """Its descriptor."""


class Manager:
    """The receiving end of NOTIFY_SOCKET: a real datagram socket."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.descriptors: list[int] = []
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.settimeout(PATIENCE_S)
        self._sock.bind(str(path))

    def environ(self, **more: str) -> dict[str, str]:
        return {"NOTIFY_SOCKET": str(self.path), **more}

    def next(self) -> dict[str, str]:
        data, descriptors, _, _ = socket.recv_fds(self._sock, 65536, 16)
        self.descriptors += descriptors
        text = data.decode()
        return dict(line.split("=", 1) for line in text.splitlines())

    def await_key(self, key: str) -> dict[str, str]:
        while key not in (message := self.next()):
            pass
        return message

    def rest(self) -> str:
        """The other messages that have arrived."""
        self._sock.setblocking(False)
        text = ""
        with contextlib.suppress(BlockingIOError):
            while True:
                text += self._sock.recv(65536).decode()
        return text

    def close(self) -> None:
        self._sock.close()
        close_all(self.descriptors)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(tmp_path / "notify")
    yield manager
    manager.close()


def test_no_listener_replies_to_a_datagram_of_another(
    start_daemon: StartDaemon, manager: Manager
) -> None:
    def listener(name: str) -> str:
        return f'[listeners.{name}]\nkind = "echo"\naddress = "udp://127.0.0.1:0"\n'

    daemon = start_daemon(listener("a") + listener("b"), manager.environ())
    manager.await_key("READY")
    daemon.write(listener("a") + listener("b") + listener("c"))
    assert daemon.reload().body["detail"] == "added c"
    manager.await_key("READY")
    with contextlib.ExitStack() as opened:
        stored = [
            opened.enter_context(socket.socket(fileno=os.dup(fd)))
            for fd in manager.descriptors
            if stat.S_ISSOCK(os.fstat(fd).st_mode)
        ]
        own = {sock.getsockname()[1]: sock for sock in stored}
        assert len(own) == 3
        for source in own.values():  # as a datagram with a forged source
            for name in "abc":
                address = daemon.address(name)
                if address.port != source.getsockname()[1]:
                    source.sendto(b"loop", (address.host, address.port))
        wait_until(lambda: refused_datagrams(daemon, "abc") == 6, "all datagrams to be refused")
        assert [daemon.listener(name)["counters"]["datagrams_out"] for name in "abc"] == [0, 0, 0]


def refused_datagrams(daemon: Daemon, names: str) -> int:
    return sum(daemon.listener(name)["counters"]["datagrams_refused"] for name in names)


def test_ready_reload_and_stop_are_reported(start_daemon: StartDaemon, manager: Manager) -> None:
    daemon = start_daemon(ECHO, manager.environ())
    assert manager.await_key("READY")["STATUS"] == "1 listener, 1 worker, 0 connections"
    daemon.process.send_signal(signal.SIGHUP)
    reloading = manager.await_key("RELOADING")
    assert reloading["RELOADING"] == "1"
    assert re.fullmatch(r"\d+", reloading["MONOTONIC_USEC"])
    assert "READY" in manager.await_key("READY")
    daemon.process.send_signal(signal.SIGTERM)
    assert manager.await_key("STOPPING")["STOPPING"] == "1"
    assert daemon.process.wait(PATIENCE_S) == 0


def test_a_refused_reload_is_ready_again_with_the_reason_in_its_status(
    start_daemon: StartDaemon, manager: Manager
) -> None:
    daemon = start_daemon(ECHO, manager.environ())
    manager.await_key("READY")
    daemon.write(ECHO.replace("kind", "knid"))
    daemon.process.send_signal(signal.SIGHUP)
    manager.await_key("RELOADING")
    status = manager.await_key("READY")["STATUS"]
    assert "last reload refused: " in status
    assert "knid" in status


def test_a_refusal_in_any_script_and_of_any_length_is_reported(
    start_daemon: StartDaemon, manager: Manager
) -> None:
    daemon = start_daemon(ECHO, manager.environ())
    manager.await_key("READY")
    daemon.write(ECHO + "".join(f'"日本{number}" = 1\n' for number in range(200)))
    assert "日本199" in daemon.reload().error
    message = manager.await_key("READY")
    assert "日本0" in message["STATUS"]
    assert len("\n".join(map("=".join, message.items())).encode()) <= select.PIPE_BUF


def test_a_manager_that_does_not_read_delays_no_client(
    start_daemon: StartDaemon, manager: Manager
) -> None:
    daemon = start_daemon(ECHO, manager.environ(WATCHDOG_USEC="100000"))
    with pytest.raises(subprocess.TimeoutExpired):  # meanwhile the manager's queue fills
        daemon.process.wait(2)
    assert daemon.reload().error == ""
    assert daemon.stop() == 0


def test_a_manager_that_is_gone_disturbs_no_client(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    daemon = start_daemon(ECHO, {"NOTIFY_SOCKET": str(tmp_path / "nobody")})
    assert daemon.reload().body["detail"] == "nothing changed"


def test_a_daemon_that_is_stopping_is_no_longer_ready(
    start_daemon: StartDaemon, manager: Manager
) -> None:
    daemon = start_daemon(ECHO, manager.environ())
    with daemon.connect("echo") as client:
        client.sendall(b"one")
        assert read_exactly(client, 3) == b"one"
        daemon.process.send_signal(signal.SIGTERM)
        manager.await_key("STOPPING")
        assert "stopping" in daemon.reload().error
    assert daemon.process.wait(PATIENCE_S) == 0
    assert "READY" not in manager.rest()


def test_the_status_follows_the_connections(start_daemon: StartDaemon, manager: Manager) -> None:
    daemon = start_daemon(ECHO, manager.environ())
    with daemon.connect("echo"):
        while "1 connection" not in manager.await_key("STATUS")["STATUS"]:
            pass


def test_the_watchdog_is_fed(start_daemon: StartDaemon, manager: Manager) -> None:
    start_daemon(ECHO, manager.environ(WATCHDOG_USEC="400000"))
    for _ in range(3):
        assert manager.await_key("WATCHDOG")["WATCHDOG"] == "1"


def test_sockets_are_stored_for_the_next_process(
    start_daemon: StartDaemon, manager: Manager
) -> None:
    daemon = start_daemon(ECHO, manager.environ())
    stored = manager.await_key("FDSTORE")
    assert stored["FDNAME"] == "stored.echo"
    [passed] = manager.descriptors
    address = daemon.address("echo")
    daemon.stop()
    with socket.socket(fileno=os.dup(passed)) as sock, connect(address) as client:
        assert sock.getsockname()[1] == address.port
        client.sendall(b"waits for the next process")


def test_passed_sockets_are_taken_by_name_and_address(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as ours,
        socket.create_server(("127.0.0.1", 0)) as stray,
    ):
        port = ours.getsockname()[1]
        daemon = start_activated(tmp_path, ECHO.replace(":0", f":{port}"), [ours, stray])
        try:
            daemon.await_ready()
            with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as client:
                client.sendall(b"passed")
                assert read_exactly(client, 6) == b"passed"
            wait_until(lambda: "fits no listener" in daemon.log.read_text(), "the warning")
            assert f"127.0.0.1:{stray.getsockname()[1]}" in daemon.log.read_text()
        finally:
            daemon.stop()


def test_a_passed_socket_without_a_name_is_not_kept_from_its_clients(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as ours, socket.socket() as stray:
        stray.bind(("127.0.0.1", 0))
        stray.listen()
        address = stray.getsockname()
        daemon = start_activated(tmp_path, ECHO, [ours, stray], names="echo")
        stray.close()
        try:
            daemon.await_ready()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(address, PATIENCE_S)
        finally:
            daemon.stop()


def test_a_passed_file_is_named(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file:
        daemon = start_activated(tmp_path, ECHO, [file], names="opened")
        assert daemon.process.wait(PATIENCE_S) == os.EX_UNAVAILABLE
    assert "descriptor 3 (opened): socket operation on non-socket" in daemon.log.read_text()


def test_a_stored_socket_is_not_in_the_way_of_its_port_s_wildcard(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stored:
        port = stored.getsockname()[1]
        config = ECHO.replace("127.0.0.1:0", f"[::]:{port}")
        daemon = start_activated(tmp_path, config, [stored], "stored.echo")
        try:
            daemon.await_ready()
            stored.close()
            with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as client:
                client.sendall(b"anywhere")
                assert read_exactly(client, 8) == b"anywhere"
        finally:
            daemon.stop()


def test_connections_wait_in_a_passed_socket_while_the_daemon_restarts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as ours:
        port = ours.getsockname()[1]
        config = ECHO.replace(":0", f":{port}")
        daemon = start_activated(tmp_path, config, [ours])
        daemon.await_ready()
        daemon.stop()
        with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as client:
            client.sendall(b"waiting")
            daemon = start_activated(tmp_path, config, [ours])
            try:
                assert read_exactly(client, 7) == b"waiting"
            finally:
                client.close()
                daemon.stop()


class Activated(Daemon):
    """A daemon started as systemd does it: sockets from descriptor 3 on, named."""

    def __init__(
        self, directory: Path, config: str, passed: Sequence[HasFileno], names: str
    ) -> None:
        self.passed = passed
        self.names = names
        super().__init__(directory, config)

    def start(self) -> subprocess.Popen[bytes]:
        high = [fcntl.fcntl(sock.fileno(), fcntl.F_DUPFD, 64) for sock in self.passed]
        environ = {**os.environ, "LISTEN_FDS": str(len(high)), "LISTEN_FDNAMES": self.names}
        command = [sys.executable, "-m", "netd", "run", "--config", str(self.config)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", LAUNCH, *map(str, high), "--", *command],
                stdout=log,
                stderr=log,
                env=environ,
                pass_fds=high,
            )
        for fd in high:
            os.close(fd)
        return self.process


def start_activated(
    directory: Path, config: str, passed: Sequence[HasFileno], names: str = "echo:stray"
) -> Activated:
    return Activated(directory, config, passed, names)
