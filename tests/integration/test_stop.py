"""What clients see of a plain stop: all that was for them, the reason, and the end-of-file."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.conftest import StartDaemon
from tests.listeners.chat.test_service import Irc
from tests.support import PATIENCE_S, read_all

POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_ends_connections_properly(
    start_daemon: StartDaemon, tmp_path: Path, signum: signal.Signals
) -> None:
    path = tmp_path / "chat.sock"
    daemon = start_daemon(
        f"""
        [listeners.lounge]
        kind = "chat"
        address = ["tcp://127.0.0.1:0", "unix://{path}"]
        server_name = "irc.test"
        flood_rate = 0

        [listeners.web]
        kind = "http"
        address = "tcp://127.0.0.1:0"
        routes = [{{ path = "/", text = "hello" }}]
        """
    )
    alice, slow = Irc(daemon.connect("lounge")), Irc(daemon.connect("lounge"))
    for nick, client in (("alice", alice), ("slow", slow)):
        client.register(nick).join()
    for number in range(1000):
        alice.send(f"PRIVMSG #lounge :{number} {'x' * 400}")
    alice.sync()
    with daemon.connect("web") as idle, daemon.connect("web") as busy:
        idle.sendall(GET)
        while not idle.recv(65536).endswith(b"hello"):
            pass
        busy.sendall(POST)
        daemon.process.send_signal(signum)
        alice.expect("ERROR :Closing link: 127.0.0.1 (server shutting down)")
        assert read_all(idle) == b""
        busy.sendall(b"x")
        assert b"\r\nConnection: close\r\n" in read_all(busy)
    lines = read_all(slow.sock).decode().splitlines()
    assert sum(" PRIVMSG #lounge " in line for line in lines) == 1000
    assert lines[-1] == "ERROR :Closing link: 127.0.0.1 (server shutting down)"
    assert daemon.process.wait(PATIENCE_S) == 0
    for client in (alice, slow):
        client.close()
