"""A chat worker hands its clients over to another one, which goes on as if nothing had happened."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from netd.listeners.chat import KIND
from netd.listeners.chat.saved_session import SESSION, STREAM
from netd.listeners.chat.websocket_stream import WEB_STREAM
from netd.protocols.password import hash_password
from netd.protocols.record import Record
from tests.listeners.chat.room.room_under_test import sasl_plain
from tests.listeners.chat.test_service import Irc
from tests.support import (
    WorkerUnderTest,
    attributes_of,
    cheap_hash,
    make_certificate,
    read_all,
    wait_until,
)

OPTIONS: dict[str, Any] = {"server_name": "irc.test", "flood_rate": 0}


class Chat:
    """A listener whose worker is replaced by another one."""

    def __init__(self, stack: ExitStack, options: dict[str, Any], *addresses: str) -> None:
        self._stack = stack
        self.options = {**OPTIONS, **options}
        self.worker = WorkerUnderTest(KIND, self.options, addresses or ("tcp://127.0.0.1:0",))
        stack.callback(self.worker.close)

    def connect(self, index: int = 0) -> Irc:
        client = Irc(self.worker.connect(index))
        self._stack.callback(client.close)
        return client

    def hand_over(self, **options: Any) -> None:
        """Let another worker continue, with other options if some are given."""
        before = self.worker
        bundle = before.hand_over()
        self.worker = before.succeed({**self.options, **options}, bundle)
        self._stack.callback(self.worker.close)
        bundle.close()
        before.dismiss()
        before.close()
        self.worker.go()


Start = Callable[..., Chat]


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda *addresses, **options: Chat(stack, options, *addresses)


def test_members_go_on_in_silence(start: Start) -> None:
    chat = start()
    alice = chat.connect().register("alice").join("#room")
    bob = chat.connect().register("bob").join("#room")
    alice.expect(" JOIN ")
    alice.send("TOPIC #room :set before", "MODE #room +b evil!*@*", "AWAY :out")
    alice.expect(" 306 ")
    for number in range(3):
        chat.hand_over()
        bob.send(f"PRIVMSG #room :line {number}")
        assert alice.expect("PRIVMSG") == f":bob!~bob@127.0.0.1 PRIVMSG #room :line {number}"
    assert alice.sync() == []
    assert [line.split(" ", 1)[1] for line in bob.sync()] == [
        "TOPIC #room :set before",
        "MODE #room +b evil!*@*",
    ]
    bob.send("NAMES #room", "TOPIC #room", "MODE #room b", "WHOIS alice")
    assert bob.expect(" 353 ").endswith(":@alice bob")
    bob.expect(" 332 ")
    bob.expect(" 367 ")
    bob.expect(" 301 ")
    counters = chat.worker.await_counters(lambda c: c["connections"] == 2)
    assert counters["members"] == 2
    assert counters["accepted"] == 0
    cyd = chat.connect().register("cyd").join("#room")
    cyd.send("QUIT :bye")
    alice.expect("QUIT")


def test_a_line_split_at_every_byte_arrives_whole(start: Start) -> None:
    chat = start()
    alice = chat.connect().register("alice").join()
    bob = chat.connect().register("bob").join()
    line = "PRIVMSG #lounge :hé\r\n".encode()
    for place in range(len(line) + 1):
        bob.sock.sendall(line[:place])
        chat.hand_over()
        bob.sock.sendall(line[place:])
        assert alice.expect("PRIVMSG").endswith(" PRIVMSG #lounge :hé")
    assert alice.sync() == []


def test_an_overlong_line_is_refused_once(start: Start) -> None:
    chat = start()
    alice = chat.connect().register("alice")
    alice.sock.sendall(b"x" * 5000)
    alice.sock.sendall(b"y")
    chat.worker.await_counters(lambda c: c["bytes_in"] > 5000)
    chat.hand_over()
    alice.sock.sendall(b"x" * 5000 + b"\r\nPING after\r\n")
    alice.expect(" 417 ")
    assert alice.expect("after") == ":irc.test PONG irc.test after"


def test_a_client_that_has_stopped_reading_gets_all(start: Start) -> None:
    chat = start(max_send_queue=4_000_000)
    slow = chat.connect()
    slow.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 50_000)
    slow.register("slow").join()
    fast = chat.connect().register("fast").join()
    for number in range(3000):
        fast.send(f"PRIVMSG #lounge :{number} {'x' * 400}")
    fast.sync()
    chat.worker.await_counters(lambda c: c["lines"] > 3000)
    chat.hand_over(max_send_queue=8192)
    fast.send("PRIVMSG fast :the last")
    fast.expect("the last")
    for number in range(3000):
        assert f" PRIVMSG #lounge :{number} x" in slow.expect("PRIVMSG")


def test_a_half_closed_client_gets_its_replies(start: Start) -> None:
    chat = start(flood_rate=20.0, flood_burst=3)
    client = chat.connect().register("half")
    client.send(*[f"PING {number}" for number in range(15)])
    client.sock.shutdown(socket.SHUT_WR)
    client.expect("PONG irc.test 0")
    chat.hand_over()
    for number in range(1, 15):
        client.expect(f"PONG irc.test {number}")
    assert read_all(client.sock) == b""
    chat.worker.await_counters(lambda c: c["connections"] == 0)


def test_held_lines_and_the_flood_bucket_are_kept(start: Start) -> None:
    chat = start(flood_rate=10.0, flood_burst=4)
    client = chat.connect().register("flood")
    begin = time.monotonic()
    client.send(*[f"PING {number}" for number in range(20)])
    for number in range(20):
        if number % 6 == 5:
            chat.hand_over(flood_rate=10.0, flood_burst=4)
        client.expect(f"PONG irc.test {number}")
    assert time.monotonic() - begin > 1.5


def test_a_sasl_exchange_goes_on(start: Start) -> None:
    account = {"name": "anna", "password": cheap_hash("sesame" * 60)}
    chat = start(accounts=[account])
    client = chat.connect()
    data = sasl_plain("anna", "sesame" * 60)
    client.send("CAP REQ :sasl", "NICK anna", "USER a 0 * :a", "AUTHENTICATE PLAIN")
    client.expect("AUTHENTICATE +")
    chat.hand_over()
    client.send(f"AUTHENTICATE {data[:400]}")
    chat.hand_over()
    client.send(f"AUTHENTICATE {data[400:]}", "CAP END")
    client.expect(" 903 ")
    client.expect(" 001 ")


def test_a_password_check_under_way_is_repeated(start: Start) -> None:
    chat = start(password=hash_password("sesame", b"0123456789abcdef", log_n=17))
    client = chat.connect()
    client.send("PASS sesame", "NICK bob", "USER bob 0 * :bob", "PING after")
    wait_until(lambda: chat.worker.await_counters(lambda c: c["lines"] >= 3), "the lines")
    chat.hand_over()
    client.expect(" 001 ")
    client.expect("PONG irc.test after")


def test_a_delayed_check_is_repeated(start: Start) -> None:
    chat = start(opers=[{"name": "root", "password": cheap_hash("toor")}])
    client = chat.connect().register("bob")
    client.send("OPER root wrong")
    client.expect(" 464 ")
    client.send("OPER root toor", "PING after")
    chat.hand_over()
    client.expect(" 381 ")
    client.expect("PONG irc.test after")


def test_wrong_passwords_are_remembered(start: Start) -> None:
    chat = start(opers=[{"name": "root", "password": cheap_hash("toor")}], max_login_delay="0s")
    for nick in ("ann", "bob", "carol", "dave", "eve", "frank"):
        client = chat.connect().register(nick)
        client.send("OPER root wrong")
        client.expect(" 464 ")
    chat.hand_over(max_login_delay="1h")
    client.send("OPER root wrong")
    client.expect(" 464 ")
    client.send("OPER root toor")
    client.expect(" 263 ")  # its delay would be too long


def test_an_operator_gets_the_outcome_of_a_reload_that_replaced_the_worker(start: Start) -> None:
    chat = start(opers=[{"name": "root", "password": "toor"}])
    client = chat.connect().register("bob")
    client.send("OPER root toor", "REHASH")
    client.expect(" 382 ")
    chat.hand_over()
    assert client.expect("NOTICE").endswith(":reloaded: another process continues this listener")


def test_pipelined_lines_and_long_replies(start: Start) -> None:
    chat = start()
    members = [chat.connect().register(f"member{number}").join() for number in range(60)]
    asker = members[0]
    asker.sync()
    asker.send(*["WHO #lounge"] * 40, "PING end")
    for _ in range(3):
        chat.hand_over()
    lines: list[str] = []
    while not lines or not lines[-1].endswith("PONG irc.test end"):
        lines.append(asker.expect(""))
    assert sum(" 352 " in line for line in lines) == 40 * 60
    assert sum(" 315 " in line for line in lines) == 40
    chat.worker.await_counters(lambda c: c["members"] == 60)


def test_unix_sockets_and_times(start: Start, tmp_path: Path) -> None:
    chat = start(f"unix://{tmp_path}/chat", ping_after="400ms", ping_timeout="1h")
    client = chat.connect().register("local")
    chat.hand_over(ping_after="400ms", ping_timeout="1h")
    client.expect("PING :irc.test")
    chat.hand_over(ping_after="400ms", ping_timeout="1h")
    client.send("PONG x", "WHOIS local")
    client.expect(" 311 ")


def test_an_abandoned_handover_changes_nothing(start: Start, tmp_path: Path) -> None:
    chat = start(history_file=str(tmp_path / "chat.db"))
    alice = chat.connect().register("alice").join()
    alice.send("PRIVMSG #lounge :one")
    alice.sync()
    chat.worker.hand_over().close()
    alice.send("PRIVMSG #lounge :two", "PRIVMSG alice :in order")
    chat.worker.resume()
    alice.expect(":in order")
    chat.worker.drain(1)
    chat.worker.await_exit()
    again = Chat(chat._stack, {"history_file": str(tmp_path / "chat.db")})
    bob = again.connect().register("bob").join()
    lines = bob.sync()
    assert [line.rsplit("] ", 1)[1] for line in lines if "PRIVMSG" in line] == ["one", "two"]


def test_the_file_of_the_channels_has_each_line_once(start: Start, tmp_path: Path) -> None:
    file = str(tmp_path / "chat.db")
    chat = start(history_file=file, history_lines=500)
    alice = chat.connect().register("alice").join()
    bob = chat.connect().register("bob").join("#other")
    bob.send("TOPIC #other :kept")
    for number in range(4):
        alice.send(*[f"PRIVMSG #lounge :{number}.{part}" for part in range(50)])
        chat.hand_over()
    alice.sync()
    chat.worker.drain(0)
    chat.worker.await_exit()
    again = Chat(chat._stack, {"history_file": file, "history_lines": 500, "replay_lines": 300})
    cyd = again.connect().register("cyd")
    cyd.send("JOIN #lounge", "JOIN #other")
    said = [line.rsplit("] ", 1)[1] for line in cyd.sync() if "PRIVMSG #lounge" in line]
    assert said == [f"{number}.{part}" for number in range(4) for part in range(50)]
    cyd.send("TOPIC #other")
    assert cyd.expect(" 332 ").endswith("#other kept")


def test_other_options_apply(start: Start) -> None:
    chat = start(max_connections=10)
    clients = [chat.connect().register(f"n{number}").join() for number in range(4)]
    chat.hand_over(max_connections=2, channel="#hall", join_channel=True)
    for client in clients:
        client.send("NAMES #lounge")
        assert client.expect(" 353 ").split(":")[-1] == "n0 n1 n2 n3"
    chat.connect().expect("ERROR")
    clients[0].send("LIST")
    clients[0].expect(" 322 n0 #hall 0 ")


def test_members_under_tls_keep_their_place(start: Start, tmp_path: Path) -> None:
    tls = make_certificate(tmp_path, "one.test")
    account = {"name": "anna", "password": cheap_hash("sesame")}
    chat = start(
        "tcp://127.0.0.1:0",
        f"unix://{tmp_path}/plain",
        tls={**tls, "ports": []},
        accounts=[account],
    )
    context = ssl.create_default_context(cafile=tls["certificate"])

    def secure() -> Irc:
        sock = context.wrap_socket(chat.worker.connect(), server_hostname="one.test")
        client = Irc(sock)
        chat._stack.callback(client.close)
        client.send("CAP REQ :sasl", "NICK anna", "USER a 0 * :a", "AUTHENTICATE PLAIN")
        client.send(f"AUTHENTICATE {sasl_plain('anna', 'sesame')}", "CAP END")
        client.expect(" 001 ")
        return client

    first = secure()
    first.join()
    chat.hand_over()
    assert b"Connection lost" in read_all(first.sock)
    second = secure()
    second.expect(" JOIN ")
    second.send("NAMES #lounge")
    assert second.expect(" 353 ").endswith("#lounge anna")
    counters = chat.worker.await_counters(lambda c: c["returned"] == 1)
    assert counters["members"] == 1


@pytest.mark.parametrize(
    "record", [SESSION, STREAM, WEB_STREAM], ids=lambda record: record.cls.__name__
)
def test_every_attribute_is_saved_or_has_a_reason_not_to_be(record: Record) -> None:
    assert {*record.saved, *record.unsaved} == attributes_of(record.cls)
    assert all(record.unsaved.values())
