from __future__ import annotations

import contextlib
import os
import pwd
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import pytest

from netd.listeners.chat import KIND
from netd.protocols.link import Failed
from tests.support import PATIENCE_S, WorkerUnderTest, cheap_hash, read_all

Start = Callable[..., WorkerUnderTest]


class Irc:
    """A simple client: sends lines, and reads lines until one contains a text."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = sock.makefile("rb")

    def send(self, *lines: str) -> None:
        self.sock.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def expect(self, text: str) -> str:
        lines: list[str] = []
        for raw in self._file:
            lines.append(raw.decode().rstrip("\r\n"))
            if text in lines[-1]:
                return lines[-1]
        raise AssertionError(f"closed before {text!r}, after {lines[-10:]}")

    def register(self, nick: str) -> Self:
        self.send(f"NICK {nick}", f"USER {nick} 0 * :{nick}")
        self.expect(" 001 ")
        return self

    def join(self, channel: str = "#lounge") -> Self:
        self.send(f"JOIN {channel}")
        self.expect(" 366 ")
        return self

    def sync(self) -> list[str]:
        """All lines that the server has sent so far."""
        self.send("PING sync")
        lines: list[str] = []
        for raw in self._file:
            line = raw.decode().rstrip("\r\n")
            if line.endswith("PONG irc.test sync"):
                return lines
            lines.append(line)
        raise AssertionError(f"closed after {lines}")

    def close(self) -> None:
        self._file.close()
        self.sock.close()


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:

        def make(addresses: tuple[str, ...] = ("tcp://127.0.0.1:0",), **options: Any) -> Any:
            worker = WorkerUnderTest(KIND, {"server_name": "irc.test", **options}, addresses)
            stack.callback(worker.close)
            return worker

        yield make


@pytest.fixture
def connect() -> Iterator[Callable[[WorkerUnderTest], Irc]]:
    with ExitStack() as stack:

        def make(worker: WorkerUnderTest, index: int = 0) -> Irc:
            client = Irc(worker.connect(index))
            stack.callback(client.close)
            return client

        yield make


Connect = Callable[..., Irc]


def test_members_talk(start: Start, connect: Connect) -> None:
    worker = start()
    alice = connect(worker).register("alice").join()
    bob = connect(worker).register("bob").join()
    assert alice.expect("JOIN") == ":bob!~bob@127.0.0.1 JOIN #lounge"
    bob.send("PRIVMSG #lounge :good morning")
    assert alice.expect("PRIVMSG") == ":bob!~bob@127.0.0.1 PRIVMSG #lounge :good morning"
    assert bob.sync() == []
    bob.send("QUIT :bye")
    assert alice.expect("QUIT") == ":bob!~bob@127.0.0.1 QUIT :Quit: bye"
    bob.expect("ERROR :Closing link")


def test_bare_line_feeds_and_end_of_file_as_from_nc(start: Start, connect: Connect) -> None:
    worker = start()
    alice = connect(worker).register("alice").join()
    nc = worker.connect()
    nc.sendall(b"NICK nc\nUSER nc 0 * :nc\nJOIN #lounge\nPRIVMSG #lounge :from a pipe")
    nc.shutdown(socket.SHUT_WR)
    assert b" 001 nc " in read_all(nc)
    nc.close()
    assert alice.expect("PRIVMSG").endswith("PRIVMSG #lounge :from a pipe")
    assert alice.expect("QUIT").endswith("QUIT :Connection closed")


def test_a_client_on_a_unix_socket_has_its_user_name(
    start: Start, connect: Connect, tmp_path: Path
) -> None:
    worker = start((f"unix://{tmp_path}/chat.sock",))
    user = pwd.getpwuid(os.getuid()).pw_name
    client = connect(worker).register("alice")
    client.send("WHOIS alice")
    assert client.expect(" 311 ").split()[4] == user
    assert client.expect(" 320 ").endswith(f"is verified as local user {user}")
    client.send("CAP REQ sasl", "AUTHENTICATE EXTERNAL", "AUTHENTICATE +")
    assert client.expect(" 900 ").endswith(f"logged in as {user}")
    client.send("WHOIS alice")
    assert client.expect(" 330 ").split()[4] == user


def test_a_reload_changes_settings_and_keeps_all_members(start: Start, connect: Connect) -> None:
    worker = start()
    alice = connect(worker).register("alice").join()
    for poller in ("epoll", "poll", "select"):
        worker.configure({"server_name": "irc.test", "poller": poller, "motd": f"by {poller}"})
        alice.send("MOTD")
        alice.expect(f"- by {poller}")
    bob = connect(worker).register("bob").join()
    bob.send("PRIVMSG #lounge :still here?")
    alice.expect("still here?")


@pytest.mark.usefixtures("many_descriptors")
def test_a_poller_that_cannot_hold_the_members_is_refused(start: Start) -> None:
    worker = start(poller="epoll", max_connections=2000)
    socks = [worker.connect() for _ in range(1024)]
    try:
        last = Irc(socks[-1]).register("last")
        answer = worker.ask_configure({"server_name": "irc.test", "max_connections": 2000})
        assert isinstance(answer, Failed)
        assert "select watches descriptors below 1024" in answer.reason
        assert last.sync()[-1:] != ["gone"]
    finally:
        for sock in socks:
            sock.close()


def test_a_full_server_sends_the_reason_and_continues(start: Start, connect: Connect) -> None:
    worker = start(max_connections=2)
    alice, bob = connect(worker).register("alice").join(), connect(worker).register("bob")
    with worker.connect() as third:
        assert read_all(third) == b"ERROR :Closing link: (the server is full)\r\n"
    bob.send("QUIT")
    bob.expect("ERROR")
    connect(worker).register("carol").join()
    alice.expect(":carol!")
    counters = worker.await_counters(lambda seen: seen["refused_full"] == 1)
    assert counters["accepted"] == 3


def test_a_client_that_does_not_register_makes_room(start: Start, connect: Connect) -> None:
    worker = start(max_connections=2)
    alice = connect(worker).register("alice")
    with worker.connect() as silent:
        worker.await_counters(lambda seen: seen["connections"] == 2)
        connect(worker).register("bob")
        assert read_all(silent) == b""
    alice.sync()
    assert worker.await_counters(lambda seen: seen["evicted"] == 1)["refused"] == 0


def test_a_client_that_has_ended_and_whose_lines_wait_makes_room(
    start: Start, connect: Connect
) -> None:
    worker = start(max_connections=2, flood_burst=5, flood_rate=0.01)
    alice = connect(worker).register("alice")
    bob = connect(worker).register("bob")
    bob.send("JOIN #a", "JOIN #b", "JOIN #c", "JOIN #d")
    bob.sock.shutdown(socket.SHUT_WR)
    bob.expect(" 366 ")
    alice.sync()  # the end of bob's lines has been read by then
    connect(worker).register("carol")
    assert worker.await_counters(lambda seen: seen["evicted"] == 1)["refused"] == 0
    alice.sync()


@pytest.mark.usefixtures("many_descriptors")
def test_select_refuses_descriptors_that_it_cannot_watch(start: Start) -> None:
    options = {
        "max_connections": 2000,
        "registration_timeout": "1h",
        "opers": [{"name": "root", "password": cheap_hash("secret")}],
    }
    worker = start(**options)
    socks = [worker.connect() for _ in range(900)]
    try:
        for number, sock in enumerate(socks):
            Irc(sock).register(f"n{number}")
        for number in range(900, 1030):
            socks.append(worker.connect())
            socks[-1].sendall(f"NICK n{number}\r\nUSER n 0 * :n\r\n".encode())
            if b"the server is full" in socks[-1].recv(100):
                break
        first = Irc(socks[0]).join()
        worker.configure({"server_name": "irc.test", **options})
        first.send("OPER root secret")
        first.expect(" 381 ")
        assert worker.await_counters(lambda seen: seen["poller_full"] > 0)
    finally:
        for sock in socks:
            sock.close()


@pytest.mark.usefixtures("many_descriptors")
def test_clients_that_do_not_register_make_room_in_select(start: Start, connect: Connect) -> None:
    worker = start(max_connections=2000, registration_timeout="1h")
    with ExitStack() as silent:
        for _ in range(1030):
            silent.enter_context(worker.connect())
        connect(worker).register("alice").join()
        counters = worker.await_counters(lambda seen: seen["evicted"] > 0)
        assert counters["poller_full"] == 0


def test_a_silent_client_gets_a_ping_and_is_disconnected(start: Start, connect: Connect) -> None:
    worker = start(ping_after="200ms", ping_timeout="1h")
    alice = connect(worker).register("alice")
    alice.expect("PING :irc.test")
    alice.send("PONG irc.test")
    alice.expect("PING :irc.test")
    worker.configure({"server_name": "irc.test", "ping_after": "200ms", "ping_timeout": "100ms"})
    alice.expect("ERROR :Closing link: (Ping timeout)")


def test_a_client_that_does_not_register_is_disconnected(start: Start, connect: Connect) -> None:
    worker = start(registration_timeout="100ms")
    connect(worker).expect("ERROR :Closing link: (Registration timeout)")


def test_waiting_lines_follow_the_new_rate(start: Start, connect: Connect) -> None:
    worker = start(flood_burst=5, flood_rate=0.01)
    alice = connect(worker).register("alice")
    alice.send(*(f"PING {number}" for number in range(10)))
    alice.expect("PONG irc.test 1")  # the others may come after ten seconds and more
    worker.configure({"server_name": "irc.test", "flood_rate": 0})
    alice.expect("PONG irc.test 9")


def test_a_flood_is_delayed(start: Start, connect: Connect) -> None:
    worker = start(flood_burst=10, flood_rate=50)
    alice, bob = connect(worker).register("alice").join(), connect(worker).register("bob").join()
    bob.send(*(f"PRIVMSG #lounge :line {i}" for i in range(30)))
    alice.send("PING quick")
    assert "PONG" in alice.expect("PONG irc.test quick")
    alice.expect(":line 29")


def test_a_client_that_floods_too_much_is_disconnected(start: Start, connect: Connect) -> None:
    worker = start(flood_burst=1, flood_rate=0.1, max_receive_queue="8KiB")
    bob = connect(worker)
    bob.send("NICK bob", *("PRIVMSG bob :" + "x" * 400 for _ in range(40)))
    bob.expect("ERROR :Closing link: (Excess flood)")
    assert worker.await_counters(lambda seen: seen["excess_flood"] == 1)


def test_a_client_that_does_not_read_is_disconnected_and_harms_no_other(
    start: Start, connect: Connect
) -> None:
    worker = start(flood_rate=0, max_send_queue="64KiB")
    deaf = worker.connect()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    Irc(deaf).register("deaf").join()
    alice, bob = connect(worker).register("alice").join(), connect(worker).register("bob").join()
    while not any(":deaf!" in line and "QUIT" in line for line in alice.sync()):
        bob.send(*("PRIVMSG #lounge :" + "x" * 400 for _ in range(100)))
        bob.sync()
    deaf.close()
    assert worker.await_counters(lambda seen: seen["send_queue_exceeded"] == 1)
    bob.send("PRIVMSG #lounge :over")
    alice.expect(":over")


@pytest.mark.parametrize("stopping", [True, False])
def test_a_drain_informs_all_clients_and_ends(
    start: Start, connect: Connect, *, stopping: bool
) -> None:
    worker = start()
    alice = connect(worker).register("alice").join()
    waiting = connect(worker)
    worker.drain(PATIENCE_S, stopping=stopping)
    for client in (alice, waiting):
        client.expect("ERROR :Closing link")
    assert worker.await_exit().status == 0


def test_a_drain_sends_what_waits_and_the_end_to_clients_that_send(
    start: Start, connect: Connect
) -> None:
    worker = start(flood_rate=0)
    alice = connect(worker).register("alice").join()
    slow, busy = connect(worker).register("slow").join(), connect(worker).register("busy")
    slow.send("PING before")
    for number in range(2000):
        alice.send(f"PRIVMSG #lounge :{number} {'x' * 400}")
    alice.sync()
    busy.send(*["PRIVMSG nobody :text"] * 500)
    worker.drain(PATIENCE_S, stopping=True)
    busy.send("PRIVMSG nobody :late")
    lines = read_all(slow.sock).decode().splitlines()
    assert sum(" PRIVMSG #lounge " in line for line in lines) == 2000
    assert lines[-1] == "ERROR :Closing link: 127.0.0.1 (server shutting down)"
    assert read_all(busy.sock).endswith(b"(server shutting down)\r\n")
    busy.close()
    assert worker.await_exit().status == 0


def test_the_probe_speaks_irc(start: Start) -> None:
    worker = start()
    assert "irc.test welcomed probe" in KIND.probe("lounge", worker.address(), PATIENCE_S)
    closed = start(password="secret")
    assert "requires its password" in KIND.probe("lounge", closed.address(), PATIENCE_S)


def test_a_password_is_required(start: Start, connect: Connect) -> None:
    worker = start(password="secret")
    right, wrong = connect(worker), connect(worker)
    right.send("PASS secret")
    right.register("alice")
    wrong.send("PASS guess", "NICK bob", "USER bob 0 * :bob")
    wrong.expect(" 464 ")
    wrong.expect("ERROR")


def test_a_client_that_does_not_read_gets_a_long_answer_when_it_reads(
    start: Start, connect: Connect
) -> None:
    worker = start(flood_rate=0, max_send_queue="100KiB")
    nicks = [f"{'n' * 20}{number}" for number in range(200)]
    members = [connect(worker).register(nick) for nick in nicks]
    slow = connect(worker).register("slow")
    slow.send(*["WHO *"] * 300)
    members[0].sync()
    members[1].sync()
    slow.send("PING end")
    found = 0
    while (line := slow.expect("")) != ":irc.test PONG irc.test end":
        found += " 352 " in line
    assert found == 300 * (len(members) + 1)


def test_the_longest_queues_are_ended_when_the_memory_is_full(
    start: Start, connect: Connect
) -> None:
    options = {"flood_rate": 0, "max_memory": "16MiB", "max_send_queue": "64MiB"}
    worker = start(**options)
    deaf = [connect(worker).register(f"deaf{number}").join() for number in range(4)]
    alice = connect(worker).register("alice").join()
    for client in deaf:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    worker.await_counters(lambda seen: seen["memory"] > 5 * 12_000)
    while not worker.counters["memory_exceeded"]:
        alice.send(*["PRIVMSG #lounge :" + 400 * "x"] * 2000)
        alice.sync()
        worker.await_counters(lambda _: True)
    worker.await_counters(lambda seen: seen["memory"] < 16 << 20)
    alice.sync()


def test_a_flood_of_empty_lines_is_a_flood(start: Start, connect: Connect) -> None:
    worker = start(flood_rate=1)
    client = connect(worker).register("alice")
    with contextlib.suppress(OSError):  # it is disconnected before all is sent
        for _ in range(100):
            client.sock.sendall(b"\n" * 65536)
    assert worker.await_counters(lambda now: now["excess_flood"] == 1)
