"""A session without a room: its owner records the calls, and the tests move the loop's clock."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from netd.config.schema import read_options
from netd.listeners.chat.backlog import DIRECT_WORK
from netd.listeners.chat.options import ChatOptions
from netd.listeners.chat.room.client_state import CheckPurpose, ClientState, PasswordCheck
from netd.listeners.chat.session import WORK_PER_TOKEN, Session
from netd.listeners.chat.session_owner import DisconnectReason
from netd.protocols.lines import Line
from netd.runtime.loop import Loop
from netd.runtime.poller import EpollPoller
from tests.support import PATIENCE_S

OPTIONS = read_options(
    ChatOptions,
    {
        "kind": "chat",
        "address": "tcp://127.0.0.1:0",
        "flood_burst": 2,
        "flood_rate": 0.001,
        "ping_after": "90s",
        "ping_timeout": "60s",
        "registration_timeout": "30s",
    },
)


class Owner:
    """Records the calls of a session, and finishes it as the server does."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.ends: list[str | DisconnectReason] = []
        self.closed: list[str] = []
        self.is_idle = False
        self.bypassed = 0
        self.reply = b""

    def receive(self, session: Session, line: Line) -> None:
        self.lines.append(line)
        if self.reply:
            session.stream.write(self.reply)
        if line == b"work":
            session.client.work = WORK_PER_TOKEN
        if line == b"check":
            session.client.password_check = PasswordCheck(CheckPurpose.OPER, "root", "")

    def resume(self, _session: Session) -> None:
        raise AssertionError("no line has a long answer here")

    def may_bypass(self) -> bool:
        return self.is_idle

    def note_bypass(self, work: int) -> None:
        self.bypassed += work

    def on_input(self, session: Session) -> None:
        self.wake(session)

    def wake(self, session: Session) -> None:
        while session.serve(0.0):
            pass

    def serve_later(self, _work: object) -> None:
        raise AssertionError("only WebSocket has frames to read later")

    def leave(self, session: Session, reason: str) -> None:
        self.ends.append(reason)
        session.finish(reason)

    def suspend_session(self, session: Session, reason: str) -> None:
        self.leave(session, reason)

    def disconnect(self, session: Session, reason: DisconnectReason) -> None:
        self.ends.append(reason)
        session.finish(reason.text)

    def on_closed(self, _session: Session, reason: str) -> None:
        self.closed.append(reason)


class Connection:
    """A session, its owner, and the client's socket."""

    def __init__(self, options: ChatOptions) -> None:
        self.loop = Loop(EpollPoller())
        ours, self.client = socket.socketpair()
        self.client.settimeout(PATIENCE_S)
        self.owner = Owner()
        self.session = Session(
            self.owner, self.loop, options, ours, host="192.0.2.1", certificate=None
        )

    def send(self, data: bytes) -> None:
        """Send bytes from the client, and let the session read them."""
        self.client.sendall(data)
        self.loop.turn()

    def pass_time(self, seconds: float) -> None:
        """Move the loop's clock, and check the time limits."""
        self.loop.now += seconds
        self.session.check_time_limits("irc.test")

    def close(self) -> None:
        self.session.close()
        self.client.close()
        self.loop.close()


@pytest.fixture
def connection() -> Iterator[Connection]:
    with closing(Connection(OPTIONS)) as made:
        yield made


def test_lines_over_the_burst_wait(connection: Connection) -> None:
    connection.send(b"one\r\ntwo\nthree\r\nfo")
    assert connection.owner.lines == [b"one", b"two"]
    connection.session.reconfigure(replace(OPTIONS, flood_rate=0.0))
    assert connection.owner.lines == [b"one", b"two", b"three"]
    connection.send(b"ur\r\n")
    assert connection.owner.lines[3:] == [b"four"]


def test_a_line_is_handled_at_once_if_nothing_waits(connection: Connection) -> None:
    connection.owner.is_idle = True
    connection.send(b"work\r\n")
    assert connection.owner.lines == [b"work"]
    assert connection.owner.bypassed > WORK_PER_TOKEN
    connection.send(b"two\r\n")  # flood control still counts
    assert connection.owner.lines == [b"work"]


@pytest.mark.parametrize("data", [b"@a=" + b"b" * 4000 + b" PONG x\r\n", b"PONG x\r\n" * 32])
def test_a_long_line_and_many_lines_count_as_work_of_the_turn(data: bytes) -> None:
    with closing(Connection(replace(OPTIONS, flood_rate=0.0))) as connection:
        connection.owner.is_idle = True
        connection.send(b"PONG x\r\n")
        assert not connection.owner.bypassed
        connection.send(data)
        assert connection.owner.bypassed > DIRECT_WORK / 10


def test_the_reply_to_a_line_does_not_wait_for_late_output(connection: Connection) -> None:
    connection.owner.is_idle, connection.owner.reply = True, b"reply\r\n"
    received: list[bytes] = []

    def read() -> None:
        connection.client.setblocking(False)
        received.append(connection.client.recv(100))

    connection.loop._has_late_output = True
    connection.loop.defer_output(read)  # it has waited since an earlier turn
    connection.send(b"one\r\n")
    assert received == [b"reply\r\n"]


def test_work_takes_tokens_as_lines_do(connection: Connection) -> None:
    connection.send(b"work\r\ntwo\r\n")
    assert connection.owner.lines == [b"work"]
    connection.session.reconfigure(replace(OPTIONS, flood_rate=0.0))
    assert connection.owner.lines == [b"work", b"two"]
    assert not connection.session.client.work


def test_lines_wait_while_a_password_is_checked(connection: Connection) -> None:
    connection.send(b"check\r\nafter\r\n")
    assert connection.owner.lines == [b"check"]
    connection.session.client.password_check = None
    connection.session.wake()
    assert connection.owner.lines == [b"check", b"after"]


def test_of_many_lines_the_first_are_split_off(connection: Connection) -> None:
    connection.send(b"\n" * 10_000 + b"last")
    assert connection.session._framer.unsplit_bytes > 9_900
    connection.session.reconfigure(replace(OPTIONS, flood_rate=0.0))
    connection.client.shutdown(socket.SHUT_WR)
    connection.loop.turn()
    assert connection.owner.lines == [b""] * 10_000 + [b"last"]
    assert connection.owner.ends == ["Connection closed"]


def test_the_end_of_file_does_not_come_before_lines_that_wait(connection: Connection) -> None:
    connection.send(b"x\n" * 1_000 + b"last")
    connection.client.shutdown(socket.SHUT_WR)
    connection.loop.turn()
    assert not connection.owner.ends
    connection.session.reconfigure(replace(OPTIONS, flood_rate=0.0))
    assert connection.owner.lines == [b"x"] * 1_000 + [b"last"]
    assert connection.owner.ends == ["Connection closed"]


def test_bytes_that_are_not_split_count_as_waiting(connection: Connection) -> None:
    sent = 0
    while not connection.owner.ends:
        connection.send(b"\n" * 8192)
        sent += 8192
    assert connection.owner.ends[0] is DisconnectReason.EXCESS_FLOOD
    assert sent == OPTIONS.max_receive_queue + 8192


def test_a_client_with_too_many_waiting_bytes_is_disconnected(connection: Connection) -> None:
    for _ in range(OPTIONS.max_receive_queue // 400 + 1 + OPTIONS.flood_burst):
        connection.send(b"x" * 400 + b"\n")
    assert connection.owner.ends[0] is DisconnectReason.EXCESS_FLOOD


def test_the_end_of_file_ends_a_session_after_its_last_line(connection: Connection) -> None:
    connection.send(b"one\r\nlast")
    connection.client.shutdown(socket.SHUT_WR)
    connection.loop.turn()
    assert connection.owner.lines == [b"one", b"last"]
    assert connection.owner.ends == ["Connection closed"]
    assert connection.owner.closed == ["Connection closed"]


def test_a_finished_session_handles_no_more_lines(connection: Connection) -> None:
    connection.session.finish("done")
    connection.send(b"late\r\n")
    assert not connection.owner.lines
    assert connection.owner.closed == ["done"]


def test_a_client_that_does_not_register_is_disconnected(connection: Connection) -> None:
    connection.pass_time(29)
    assert not connection.owner.ends
    connection.pass_time(2)
    assert connection.owner.ends == [DisconnectReason.REGISTRATION_TIMEOUT]


def test_a_silent_member_gets_a_ping_and_is_disconnected(connection: Connection) -> None:
    connection.session.client.state = ClientState.REGISTERED
    connection.pass_time(91)
    connection.pass_time(59)
    assert not connection.owner.ends
    connection.pass_time(2)
    assert connection.owner.ends == [DisconnectReason.PING_TIMEOUT]
    connection.loop.turn()
    assert connection.client.recv(100) == b"PING :irc.test\r\n"


def test_a_line_answers_a_ping(connection: Connection) -> None:
    connection.session.client.state = ClientState.REGISTERED
    connection.pass_time(91)
    connection.send(b"PONG irc.test\r\n")
    connection.pass_time(61)
    assert not connection.owner.ends


def test_a_client_that_does_not_read_its_last_lines_is_closed() -> None:
    with closing(Connection(OPTIONS)) as connection:
        connection.session.stream.write(b"x" * 10_000_000)
        connection.session.stream.max_unsent_bytes = 100_000_000
        connection.session.finish("done")
        connection.loop.turn()
        assert not connection.owner.closed
        connection.pass_time(4)
        assert not connection.owner.closed
        connection.pass_time(2)
        assert connection.owner.closed == ["the last lines were not read"]


@pytest.mark.parametrize(
    ("host", "shown"),
    [("192.0.2.1", "192.0.2.1"), ("::1", "0::1"), ("2001:db8::1", "2001:db8::1")],
)
def test_the_shown_host_can_be_an_argument_of_a_line(host: str, shown: str) -> None:
    loop = Loop(EpollPoller())
    ours, client = socket.socketpair()
    with closing(loop), client:
        session = Session(Owner(), loop, OPTIONS, ours, host=host, certificate=None)
        assert session.client.address == shown
        session.close()
