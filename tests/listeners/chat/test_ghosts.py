"""Members without a connection, in the room and its sessions, with real sockets in one process."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from unittest.mock import Mock

import pytest

from netd.config.schema import read_options
from netd.listeners.chat import backlog
from netd.listeners.chat.credentials_file import CredentialsFiles
from netd.listeners.chat.handover_driver import HandoverDriver
from netd.listeners.chat.options import ChatOptions
from netd.listeners.chat.room.effect import Send
from netd.listeners.chat.room_settings import settings_of
from netd.listeners.chat.session import Session
from netd.runtime.loop import Loop
from netd.runtime.poller import EpollPoller
from tests.support import send_at_once

OPTIONS = read_options(
    ChatOptions,
    {
        "kind": "chat",
        "address": "tcp://127.0.0.1:0",
        "server_name": "irc.test",
        "cloak": False,
        "flood_rate": 0,
        "max_send_queue": "64KiB",
    },
)
RESUME = "CAP REQ :netd.dev/resume server-time message-tags"


class Client:
    """A client's socket, and the session at the other end."""

    def __init__(self, server: Server, sock: socket.socket, session: Session) -> None:
        self.server = server
        self.sock = sock
        self.session = session
        self.token = ""

    def send(self, *lines: str) -> list[str]:
        """Send lines; return all lines received since the last call."""
        self.sock.sendall("".join(f"{line}\r\n" for line in lines).encode())
        return self.read()

    def read(self, until: str = "PONG irc.test sync") -> list[str]:
        """The lines received since the last call, up to one with a text, or "(end)"."""
        with contextlib.suppress(OSError):
            self.sock.sendall(b"PING sync\r\n")
        received = b""
        while until.encode() not in received and not received.endswith(b"(end)"):
            self.server.turn()
            try:
                received += self.sock.recv(65536) or b"(end)"
            except BlockingIOError:
                continue
            except ConnectionResetError:  # a PING that was not read
                received += b"(end)"
        lines = received.decode().splitlines()
        return [line for line in lines if " PONG " not in line]

    def register(self, nick: str) -> Client:
        lines = self.send(RESUME, f"NICK {nick}", f"USER {nick} 0 * :{nick}", "CAP END")
        self.token = lines[1].rpartition(" ")[2]
        self.send("JOIN #room")
        return self


class Server:
    """A room driver and its sessions on a loop, which the tests turn."""

    def __init__(self, options: ChatOptions = OPTIONS) -> None:
        self.loop = Loop(EpollPoller())
        self.closed: list[Session] = []
        self.options = options
        settings = settings_of(options, CredentialsFiles(options))
        self.driver = HandoverDriver(self.loop, options, settings, Mock(), self.closed.append)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open: list[Client] = []

    def connect(self) -> Client:
        sock = socket.create_connection(self._listening.getsockname())
        send_at_once(sock)
        sock.setblocking(False)
        ours, _ = self._listening.accept()
        session = Session(
            self.driver, self.loop, self.options, ours, host="192.0.2.1", certificate=None
        )
        self.driver.enter(session)
        client = Client(self, sock, session)
        self._open.append(client)
        return client

    def turn(self) -> None:
        self.loop.call_later(0.001, lambda: None)
        self.loop.turn()

    def forget(self, client: Client) -> None:
        """Leave a member in the room without a session, as after a load."""
        self.driver._fanout.detach(client.session.client)
        del self.driver._sessions[client.session.client]
        self.driver._lost_sessions.add(client.session)

    def counters(self) -> dict[str, int]:
        counters = self.driver.counters()
        return counters.as_dict()

    def close(self) -> None:
        for client in self._open:
            client.session.close()
            client.sock.close()
        self._listening.close()
        self.driver.close(lambda: None)
        self.loop.close()


@pytest.fixture
def server() -> Iterator[Server]:
    with closing(Server()) as started:
        yield started


def end_slices_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a turn of the servers that are made now do one step, however fast the machine is."""
    monkeypatch.setattr(backlog, "TURN_S", -1.0)
    monkeypatch.setattr(backlog, "SLICE_S", 0.0)
    monkeypatch.setattr(backlog, "FIRST_SLICE_S", 0.0)


@pytest.fixture
def slow_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    end_slices_at_once(monkeypatch)
    with closing(Server()) as started:
        yield started


def texts(lines: list[str]) -> list[str]:
    """The texts of the messages among these lines."""
    return [line.rpartition(" :")[2] for line in lines if " PRIVMSG " in line]


def come_back(server: Server, token: str, *more: str) -> tuple[Client, list[str]]:
    client = server.connect()
    lines = client.send(RESUME, "NICK x", f"RESUME {token}", "USER x 0 * :x", "CAP END", *more)
    return client, lines


def test_a_connection_is_closed_and_its_member_stays(server: Server) -> None:
    alice, bob = server.connect().register("alice"), server.connect().register("bob")
    alice.read()
    server.driver.suspend_session(bob.session, "Connection lost")
    assert bob.read() == ["ERROR :Closing link: (Connection lost)", "(end)"]
    while not server.closed:
        server.turn()
    assert server.closed == [bob.session]
    for number in range(100):
        alice.send(f"PRIVMSG #room :{number}")
    assert server.counters()["ghosts"] == 1
    again, lines = come_back(server, bob.token, "PRIVMSG #room :back")
    assert texts(lines) == [str(number) for number in range(100)]
    assert texts(alice.read()) == ["back"]
    alice.send("PRIVMSG #room :live", "PRIVMSG bob :private")
    assert texts(again.read()) == ["live", "private"]
    counters = server.counters()
    assert (counters["ghosts"], counters["returned"], counters["not_returned"]) == (0, 1, 0)
    assert counters["members"] == 2
    again.send("QUIT")
    assert "QUIT" in alice.read(" QUIT ")[-1]


def test_lines_of_the_same_turn_come_once_and_in_order(server: Server) -> None:
    alice, bob = server.connect().register("alice"), server.connect().register("bob")
    server.driver.suspend_session(bob.session, "Connection lost")
    again = server.connect()
    again.send(RESUME, f"RESUME {bob.token}", "NICK bob", "USER bob 0 * :bob")
    alice.sock.sendall(b"".join(b"PRIVMSG #room :%d\r\n" % number for number in range(40)))
    again.sock.sendall(b"CAP END\r\n")
    alice.sock.sendall(b"".join(b"PRIVMSG #room :%d\r\n" % number for number in range(40, 80)))
    assert texts(again.read(":79")) == [str(number) for number in range(80)]


def test_members_without_identity_and_with_one_are_lost_together(server: Server) -> None:
    alice, bob = server.connect().register("alice"), server.connect().register("bob")
    carol = server.connect()
    carol.send("NICK carol", "USER carol 0 * :carol", "JOIN #room")
    alice.read()
    waiting = server.connect()
    waiting.send("NICK dave")
    for client in (carol, bob, waiting):
        server.forget(client)
    unsent = b":alice!a@b PRIVMSG bob :unsent\r\n"
    lost = {carol: b"", bob: unsent, waiting: b""}
    members = {client.session.client: data for client, data in lost.items()}
    server.driver.suspend(members, "Connection lost")
    assert [line.partition(" ")[2] for line in alice.read(" QUIT ")] == [
        ":carol!~carol@192.0.2.1 QUIT :Connection lost"
    ]
    _, lines = come_back(server, bob.token)
    assert texts(lines) == ["unsent"]
    assert lines[-1].endswith(":carol!~carol@192.0.2.1 QUIT :Connection lost")


def test_unsent_lines_come_first(server: Server) -> None:
    alice, bob = server.connect().register("alice"), server.connect().register("bob")
    server.forget(bob)
    unsent = b":a!b@c PRIVMSG #room :one\r\n@label=x :irc.test 353 bob = #room :bob\r\n"
    server.driver.suspend({bob.session.client: unsent}, "Connection lost")
    alice.send("PRIVMSG #room :two")
    _, lines = come_back(server, bob.token)
    assert texts(lines) == ["one", "two"]
    assert sum(" 353 " in line for line in lines) == 1


def returning(server: Server) -> tuple[Client, Client, Client]:
    """A member, another one that was lost, and a client that is just taking its place.

    The server must be slow, or the client has taken it in one turn.
    """
    alice, bob = server.connect().register("alice"), server.connect().register("bob")
    for number in range(40):
        alice.send(f"JOIN #channel{number}")
        bob.send(f"JOIN #channel{number}")
    server.driver.suspend_session(bob.session, "Connection lost")
    alice.read()
    alice.send("PRIVMSG #room :one")
    first = server.connect()
    first.send(RESUME, f"RESUME {bob.token}", "NICK bob", "USER bob 0 * :bob")
    first.sock.sendall(b"CAP END\r\n")
    while not first.session.client.is_replying:
        server.turn()
    return alice, bob, first


def test_a_place_is_taken_by_one_client(slow_server: Server) -> None:
    alice, bob, first = returning(slow_server)
    room, second = slow_server.driver._room, slow_server.connect().session.client
    lines = (f"RESUME {bob.token}", "NICK bob", "USER bob 0 * :bob")
    effects = [effect for line in lines for effect in room.receive(second, line.encode(), 0.0)]
    assert [b" 433 " in effect.data for effect in effects if isinstance(effect, Send)] == [True]
    assert texts(first.read()) == ["one"]
    assert alice.read() == []


def test_a_member_that_is_killed_while_its_client_returns(slow_server: Server) -> None:
    alice, bob, first = returning(slow_server)
    (lost,) = slow_server.driver._room.state.members["bob"].clients
    slow_server.driver._apply(slow_server.driver._room.end_ghost(lost, "Killed (test)", 0.0))
    assert alice.read(" QUIT ")[-1].endswith(" QUIT :Killed (test)")
    lines = first.read()
    assert "Closing link" in lines[-2]
    assert lines[-1] == "(end)"
    assert slow_server.counters()["members"] == 1
    _, lines = come_back(slow_server, bob.token)
    assert any("INVALID_TOKEN" in line for line in lines)


def test_a_client_that_is_lost_again_while_it_returns(slow_server: Server) -> None:
    alice, bob, first = returning(slow_server)
    first.session.close()
    assert alice.read() == []
    _, lines = come_back(slow_server, bob.token)
    assert texts(lines) == ["one"]
    assert sum(" JOIN #" in line for line in lines) == 41


def test_too_many_lines_end_the_ghost(server: Server) -> None:
    alice, bob = server.connect().register("alice"), server.connect().register("bob")
    server.driver.suspend_session(bob.session, "Connection lost")
    for _ in range(200):
        alice.send(f"PRIVMSG #room :{'x' * 400}")
    server.driver.check_time_limits()
    server.turn()
    assert alice.read(" QUIT ")[-1].endswith(" QUIT :output queue exceeded")
    assert server.counters()["not_returned"] == 1


def test_a_shut_down_ends_ghosts_too(server: Server) -> None:
    alice, bob = server.connect().register("alice"), server.connect().register("bob")
    server.driver.suspend_session(bob.session, "Connection lost")
    server.driver.shut_down("server shutting down")
    *_, error, end = alice.read()
    assert error.endswith("ERROR :Closing link: 192.0.2.1 (server shutting down)")
    assert end == "(end)"
    assert server.counters()["ghosts"] == 0


def test_without_a_time_no_place_is_kept() -> None:
    with closing(Server(replace(OPTIONS, return_timeout=0.0))) as server:
        alice, bob = server.connect().register("alice"), server.connect().register("bob")
        alice.read()
        server.driver.suspend_session(bob.session, "Connection lost")
        assert alice.read(" QUIT ")[-1].endswith(" QUIT :Connection lost")
        assert bob.read()[-1] == "(end)"


def test_a_connection_that_is_not_known_to_be_lost_is_resumed(server: Server) -> None:
    alice, bob = server.connect().register("alice"), server.connect().register("bob")
    alice.read()
    again, lines = come_back(server, bob.token)
    assert any("RESUME SUCCESS bob" in line for line in lines)
    ended = bob.read()
    assert "Another connection resumes this one" in ended[0]
    assert ended[-1] == "(end)"
    alice.send("PRIVMSG #room :still here?")
    assert texts(again.read()) == ["still here?"]
    assert not [line for line in alice.read() if "QUIT" in line or "JOIN" in line]
    assert server.counters()["returned"] == 1
    assert server.counters()["ghosts"] == 0
