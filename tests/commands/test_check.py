"""`netd check` beside a daemon that does not report its addresses."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from netd.commands.check import held_by_daemon
from netd.protocols.control import Reply, format_reply
from netd.supervisor.port_check import HeldAddresses
from tests.support import PATIENCE_S

STARTING = {
    "version": "0.1.0",
    "pid": 1,
    "state": "serving",
    "uptime_s": 0.1,
    "last_reload": None,
    "listeners": [],
}


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (None, "gave no reply within 0.01 s"),
        (b"", "closed the connection without a reply"),
        (b"what?\n", "replies in an unexpected form: not a reply: b'what?\\n'"),
        (
            format_reply(Reply({}, "netd is stopping")),
            "does not report its status: netd is stopping",
        ),
        (format_reply(Reply(STARTING)), "which is starting"),
    ],
)
def test_a_daemon_that_gives_no_status_perhaps_has_the_addresses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reply: bytes | None, reason: str
) -> None:
    patience_s = 0.01 if reply is None else PATIENCE_S
    monkeypatch.setattr("netd.supervisor.control_client._STATUS_TIMEOUT_S", patience_s)
    config = tmp_path / "netd.toml"
    config.write_text(f'[netd]\ncontrol = "{tmp_path}/control"\n')
    path = str(config)
    assert held_by_daemon(path) == HeldAddresses()
    with socket.socket(socket.AF_UNIX) as server, ThreadPoolExecutor() as threads:
        server.bind(f"{tmp_path}/control")
        assert held_by_daemon(path) == HeldAddresses()  # no process listens
        server.listen()
        if reply is not None:
            threads.submit(reply_once, server, reply)
        unknown = held_by_daemon(path).unknown
    assert unknown.startswith("perhaps by netd")
    assert f"{tmp_path}/control" in unknown
    assert unknown.endswith(reason)


def reply_once(server: socket.socket, reply: bytes) -> None:
    client, _ = server.accept()
    with client:
        client.recv(100)
        client.sendall(reply)
