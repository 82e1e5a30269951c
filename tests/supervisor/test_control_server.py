"""The control socket's server on a loop that cannot watch every descriptor."""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from netd.config.model import DaemonOptions
from netd.errors import BindError
from netd.protocols.control import ControlCommand, Reply, format_request
from netd.runtime import sockets
from netd.runtime.loop import Loop
from netd.runtime.poller import READ, EpollPoller
from netd.supervisor.control_server import ControlServer, SendReply
from tests.support import PATIENCE_S, FullPoller

SMALL = Reply({"state": "serving"})
LARGE = Reply({"state": "x" * 2**20})


def respond_at_once(_command: ControlCommand, respond: SendReply) -> None:
    respond(SMALL)


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
    except ConnectionResetError:  # its request was unread
        return True


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


AS_NOBODY = """
import os, sys
from netd.protocols.control import ControlCommand
from netd.supervisor.control_client import send_request
from netd.errors import ControlError
os.setgroups([]); os.setgid(int(sys.argv[3])); os.setuid(65534)
try:
    reply = send_request(sys.argv[1], ControlCommand(sys.argv[2]), 60)
    print(reply.error or "done")
except ControlError as error:
    print(error)
"""


def request_as_nobody(loop: Loop, path: str, command: ControlCommand, group: int) -> str:
    """The outcome of a request by a user that is not the server's, in one group."""
    line = [sys.executable, "-c", AS_NOBODY, path, command.value, str(group)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        outcome: list[str] = []
        loop.watch(process.stdout.fileno(), READ, lambda _: outcome.append("arrives"))
        while not outcome:
            loop.turn()
        loop.unwatch(process.stdout.fileno())
        return process.stdout.read().strip()


@pytest.fixture
def path() -> Iterator[str]:
    """The path of a socket in a directory that every user can search."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        yield f"{directory}/control"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
@pytest.mark.parametrize(
    ("options", "reload"),
    [
        (DaemonOptions(), "permission denied; run it as root or as the user that netd runs as"),
        (DaemonOptions(control_allows="all"), "done"),
        (DaemonOptions(control_owner="nobody"), "done"),
    ],
)
def test_members_of_the_group_may_request_the_status_alone(
    path: str, options: DaemonOptions, reload: str
) -> None:
    loop = Loop(EpollPoller())
    server = ControlServer(loop, path, options, respond_at_once)
    assert request_as_nobody(loop, path, ControlCommand.STATUS, 0) == "done"
    assert request_as_nobody(loop, path, ControlCommand.RELOAD, 0).startswith(reload)
    server.close()
    loop.close()


@pytest.mark.parametrize("allows", ["status", "all"])
@pytest.mark.parametrize("newcomer", [os.geteuid(), 65534])
def test_the_group_does_not_keep_the_administrator_out(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    newcomer: int,
    allows: Literal["status", "all"],
) -> None:
    loop = Loop(EpollPoller())
    path = str(tmp_path / "control")
    options = DaemonOptions(control_allows=allows)
    server = ControlServer(loop, path, options, lambda _command, _respond: None)
    with contextlib.ExitStack() as stack:
        clients = []
        for uid in (*[65534] * 32, newcomer):
            monkeypatch.setattr(sockets, "peer_uid", lambda _, uid=uid: uid)
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(path)
            client.sendall(format_request(ControlCommand.STATUS))  # no reply arrives
            client.setblocking(False)
            clients.append(client)
            for _ in ("accepted", "read"):
                loop.defer(lambda: None)  # the turn does not wait
                loop.turn()
        replaced = clients[0] if newcomer == os.geteuid() else clients[-1]
        assert [client for client in clients if _has_ended(client)] == [replaced]
        server.close()
        loop.turn()
    loop.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
@pytest.mark.parametrize(
    ("mode", "advice"),
    [("0660", ", or join the group: `sudo usermod -aG root nobody`"), ("0600", "")],
)
def test_a_user_that_cannot_connect_gets_advice(path: str, mode: str, advice: str) -> None:
    loop = Loop(EpollPoller())
    server = ControlServer(loop, path, DaemonOptions(control_mode=mode), respond_at_once)
    outcome = request_as_nobody(loop, path, ControlCommand.STATUS, 65534)
    assert outcome == f"{path}: permission denied; run the command with sudo{advice}"
    server.close()
    loop.close()


@contextlib.contextmanager
def counted_requests(
    tmp_path: Path, sent: Reply = SMALL
) -> Iterator[tuple[Loop, socket.socket, list[ControlCommand]]]:
    """A loop with a control server, a client of it, and the requests that it has handled."""
    handled: list[ControlCommand] = []

    def respond(command: ControlCommand, reply: SendReply) -> None:
        handled.append(command)
        reply(sent)

    loop, path = Loop(EpollPoller()), str(tmp_path / "control")
    server = ControlServer(loop, path, DaemonOptions(), respond)
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE_S)
        client.connect(path)
        loop.turn()
        yield loop, client, handled
    server.close()
    loop.stop()  # the turn does not wait
    loop.turn()
    loop.close()


def test_a_client_gets_one_reply_in_each_turn(tmp_path: Path) -> None:
    with counted_requests(tmp_path) as (loop, client, handled):
        client.sendall(format_request(ControlCommand.STATUS) * 16)
        for count in range(1, 17):
            loop.turn()
            assert len(handled) == count
        assert client.recv(65536).count(b"serving") == 16


def test_a_client_with_too_many_requests_at_once_is_disconnected(tmp_path: Path) -> None:
    with counted_requests(tmp_path) as (loop, client, handled):
        client.sendall(format_request(ControlCommand.STATUS) * 17)
        loop.turn()
        assert not handled
        assert b"too many requests at once" in client.recv(65536)
        assert client.recv(65536) == b""


def test_replies_come_in_the_order_of_the_requests(tmp_path: Path) -> None:
    loop, path = Loop(EpollPoller()), str(tmp_path / "control")
    handled: list[tuple[ControlCommand, SendReply]] = []
    server = ControlServer(
        loop, path, DaemonOptions(), lambda command, reply: handled.append((command, reply))
    )
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE_S)
        client.connect(path)
        for command in (ControlCommand.RELOAD, ControlCommand.STATUS):
            client.sendall(format_request(command))
        for _ in range(4):
            loop.call_next_turn(lambda: None)  # the turn does not wait
            loop.turn()
        [(command, reply_to_reload)] = handled
        assert command is ControlCommand.RELOAD
        reply_to_reload(Reply({"detail": "reloaded"}))
        while len(handled) == 1:
            loop.turn()
        handled[1][1](Reply({"state": "serving"}))
        loop.turn()
        assert [b"reloaded" in line for line in client.recv(65536).splitlines()] == [True, False]
    server.close()
    loop.stop()  # the turn does not wait
    loop.turn()
    loop.close()


def test_a_client_gets_no_second_reply_before_it_has_read_the_first_one(tmp_path: Path) -> None:
    with counted_requests(tmp_path, LARGE) as (loop, client, handled):
        client.sendall(format_request(ControlCommand.STATUS) * 2)
        for _ in range(4):
            loop.call_later(0, lambda: None)
            loop.turn()
        assert len(handled) == 1
        replies = b""
        while replies.count(b"\n") < 2:
            loop.call_later(0, lambda: None)  # the turn does not wait
            loop.turn()
            with contextlib.suppress(BlockingIOError):
                replies += client.recv(2**20, socket.MSG_DONTWAIT)
        assert len(handled) == 2


def test_replies_that_are_not_read_take_a_bounded_memory(tmp_path: Path) -> None:
    with counted_requests(tmp_path, LARGE) as (loop, _, _), contextlib.ExitStack() as stack:
        clients = []
        for _ in range(24):
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(str(tmp_path / "control"))
            client.sendall(format_request(ControlCommand.STATUS))
            loop.turn()  # accept
            loop.turn()
            clients.append(client)
        waits = [not is_closed(client) for client in clients]
        assert waits == sorted(waits), "the oldest ones are closed"
        assert not waits[0]
        assert all(waits[-10:])


def is_closed(client: socket.socket) -> bool:
    """Whether the server has closed a connection, whose received bytes are dropped."""
    try:
        while client.recv(2**20, socket.MSG_DONTWAIT):
            pass
    except BlockingIOError:
        return False
    return True
