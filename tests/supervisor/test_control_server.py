"""The control socket's server on a loop that cannot watch every descriptor."""

from __future__ import annotations

import gc
import os
import socket
from pathlib import Path

import pytest

from netd.config.model import DaemonOptions
from netd.errors import BindError
from netd.protocols.control import ControlCommand, Reply, format_request
from netd.runtime.loop import Loop
from netd.runtime.poller import EpollPoller
from netd.supervisor.control_server import ControlServer, SendReply
from tests.support import FullPoller


def respond_at_once(_command: ControlCommand, respond: SendReply) -> None:
    respond(Reply({"state": "serving"}))


def test_a_client_that_cannot_be_watched_is_refused_and_the_next_one_is_served(
    tmp_path: Path,
) -> None:
    poller = FullPoller()
    loop = Loop(poller)
    server = ControlServer(loop, str(tmp_path / "control"), DaemonOptions(), respond_at_once)
    poller.room = 0
    with socket.socket(socket.AF_UNIX) as first, socket.socket(socket.AF_UNIX) as second:
        first.connect(str(tmp_path / "control"))
        loop.turn()
        assert first.recv(100) == b""
        poller.room = 10
        second.connect(str(tmp_path / "control"))
        second.sendall(format_request(ControlCommand.STATUS))
        second.settimeout(0)
        reply = b""
        while not reply.endswith(b"\n"):
            loop.turn()
            try:
                reply += second.recv(65536)
            except BlockingIOError:
                continue
        assert b"serving" in reply
        server.close()
        loop.turn()  # the clients are closed at its end
    loop.close()


def test_served_clients_leave_no_garbage(tmp_path: Path) -> None:
    loop = Loop(EpollPoller())
    path = str(tmp_path / "control")
    server = ControlServer(loop, path, DaemonOptions(), respond_at_once)
    gc.collect()
    gc.disable()
    try:
        for _ in range(50):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(path)
                client.sendall(format_request(ControlCommand.STATUS))
                client.shutdown(socket.SHUT_WR)
                client.setblocking(False)
                while not _has_ended(client):
                    loop.turn()
        assert gc.collect() == 0
    finally:
        gc.enable()
    server.close()
    loop.close()


def _has_ended(client: socket.socket) -> bool:
    try:
        return not client.recv(65536)
    except BlockingIOError:
        return False


def test_a_socket_that_cannot_be_watched_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    poller = FullPoller()
    loop = Loop(poller)
    poller.room = 0
    with pytest.raises(BindError, match="no space left on device"):
        ControlServer(loop, str(tmp_path / "control"), DaemonOptions(), respond_at_once)
    assert not os.path.exists(tmp_path / "control")
    loop.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_an_owner_that_does_not_exist_leaves_no_file(tmp_path: Path) -> None:
    loop = Loop(EpollPoller())
    with pytest.raises(BindError, match="cannot give it to"):
        ControlServer(
            loop,
            str(tmp_path / "control"),
            DaemonOptions(control_owner="nobody-of-that-name"),
            respond_at_once,
        )
    assert not os.path.exists(tmp_path / "control")
    loop.close()
