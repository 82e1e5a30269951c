"""Clients that speak WebSocket, beside plain ones."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.listeners.chat.test_service import Irc
from tests.listeners.chat.web_irc import WebChat, WebIrc
from tests.protocols.websocket_client import frame, handshake, read_head, text
from tests.support import PATIENCE_S

TEXT = "Sec-WebSocket-Protocol: text.ircv3.net"
BINARY = "Sec-WebSocket-Protocol: binary.ircv3.net"

Start = Callable[..., WebChat]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[WebChat] = []

    def make(**options: Any) -> WebChat:
        started.append(WebChat(**options))
        return started[-1]

    yield make
    for chat in started:
        chat.close()


def join(client: WebIrc, nick: str) -> WebIrc:
    client.register(nick).join()
    return client


def test_members_of_all_transports_talk(start: Start) -> None:
    chat = start()
    members: dict[str, Irc] = {
        "plain": chat.plain().register("plain").join(),
        "text": join(chat.web(TEXT), "text"),
        "bytes": join(chat.web(BINARY), "bytes"),
        "none": join(chat.web(), "none"),
    }
    for member in members.values():
        member.sync()
    for nick, sender in members.items():
        sender.send(f"PRIVMSG #lounge :grüße von {nick}")
        for other in members.values():
            if other is not sender:
                line = f":{nick}!~{nick}@127.0.0.1 PRIVMSG #lounge :grüße von {nick}"
                assert other.expect("PRIVMSG") == line
    webs = [member for member in members.values() if isinstance(member, WebIrc)]
    assert [web.opcodes for web in webs] == [{1}, {2}, {1}]


def test_messages_in_one_turn_and_in_fragments(start: Start) -> None:
    chat = start()
    one, two = join(chat.web(), "one"), join(chat.web(), "two")
    two.sync()
    sent = [f"PRIVMSG #lounge :line {number}" for number in range(200)]
    one.send(*sent)
    for number in range(200):
        assert two.expect("PRIVMSG").endswith(f":line {number}")
    for size in (2, 7, 20):  # with fewer pongs than a client may send at once
        line = "PRIVMSG #lounge :in parts é".encode()
        parts = [line[place : place + size] for place in range(0, len(line), size)]
        opcodes = [1] + [0] * (len(parts) - 1)
        for number, (opcode, part) in enumerate(zip(opcodes, parts, strict=True)):
            one.sock.sendall(frame(opcode, part, fin=number == len(parts) - 1) + frame(10))
        assert two.expect("PRIVMSG").endswith(":in parts é")


def test_bytes_that_came_with_the_handshake(start: Start) -> None:
    chat = start()
    client = chat.web(after=text("NICK early") + text("USER early 0 * :e")[:9])
    client.sock.sendall(text("USER early 0 * :e")[9:])
    client.expect(" 001 ")


def test_the_facts_of_the_http_listener(start: Start) -> None:
    chat = start(opers=[{"name": "root", "password": "secret"}])
    client = chat.web(host="192.0.2.7", is_secure=True).register("far")
    client.send("OPER root secret", "WHOIS far")
    client.expect(" 381 ")
    assert "192.0.2.7" in client.expect(" 338 ")
    client.expect(" 671 ")
    local = chat.web(host="").register("near")
    local.send("WHOIS near")
    whois = []
    while " 318 " not in (line := local.read()):
        whois.append(line)
    assert not any("verified" in line for line in whois)  # the worker's user is not the client's


def log_in(client: WebIrc, nick: str, name: str = "") -> WebIrc:
    client.send("CAP REQ :sasl", f"NICK {nick}", "USER x 0 * :x", "AUTHENTICATE EXTERNAL")
    client.expect("AUTHENTICATE +")
    client.send(f"AUTHENTICATE {name or '+'}")
    return client


def test_the_user_of_the_route_logs_in(start: Start) -> None:
    chat = start(accounts=[{"name": "Anna", "password": "sesame", "host": "anna.example"}])
    anna = log_in(chat.web(user="anna"), "anna")
    assert " Anna :" in anna.expect(" 900 ")
    anna.send("CAP END", "WHOIS anna")
    anna.expect(" 001 ")
    assert "anna.example" in anna.expect(" 311 ")
    bert = log_in(chat.web(user="bert"), "bert")
    assert " bert :" in bert.expect(" 900 ")
    stranger = chat.web()
    stranger.send("CAP LS 302", "CAP REQ :sasl", "NICK x", "AUTHENTICATE EXTERNAL")
    assert "EXTERNAL" not in stranger.expect("sasl")
    stranger.expect(" 908 ")


def test_a_user_is_no_other_account(start: Start) -> None:
    chat = start(accounts=[{"name": "Anna", "password": "sesame"}])
    log_in(chat.web(user="bert"), "bert", "QW5uYQ==").expect(" 904 ")
    odd = chat.web(user="not a name")
    log_in(odd, "odd").expect(" 904 ")


def test_requests_that_are_no_handshake(start: Start) -> None:
    chat = start()
    for old, new, status in (
        (b"Version: 13", b"Version: 7", 426),
        (b"Sec-WebSocket-Key", b"X-Key", 400),
    ):
        client = chat.hand_off(head=handshake().replace(old, new))
        assert read_head(client.file)[0] == status
        client.file.read()
    chat.web().register("next")


def test_the_limits_of_the_chat_listener_apply(start: Start) -> None:
    chat = start(max_connections_per_address=2, connect_exempt=[], deny=["192.0.2.0/24"])
    chat.web().register("one")
    chat.web().register("two")
    for host, reason in (("127.0.0.1", "too many"), ("192.0.2.1", "you may not connect")):
        client = chat.hand_off(host=host)
        status, fields = read_head(client.file)
        assert (status, fields["retry-after"]) == (503, "10")
        assert reason in client.file.read().decode()
    chat.web(host="127.0.0.2").register("other")
    assert chat.worker.await_counters(lambda now: now["refused"] == 2)["connections"] == 3


def test_a_quit_closes_with_a_close_frame(start: Start) -> None:
    chat = start()
    client = join(chat.web(), "one")
    client.send("QUIT :bye")
    client.expect("ERROR :Closing link")
    assert client.await_close()[0] == 1000


def test_a_close_of_the_client_ends_its_membership(start: Start) -> None:
    chat = start()
    plain = chat.plain().register("plain").join()
    client = join(chat.web(), "one")
    client.sock.sendall(text("PRIVMSG #lounge :last") + frame(8, b"\x03\xe9"))
    assert plain.expect("PRIVMSG").endswith(":last")
    plain.expect("one!~one@127.0.0.1 QUIT")
    assert client.await_close()[0] == 1000


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(1, b"x", mask=b""), 1002),
        (frame(1, b"\xff"), 1007),
        (frame(1, b"x" * 9000), 1009),
        (frame(9) * 100, 1008),
    ],
)
def test_faults_close_the_connection(start: Start, sent: bytes, code: int) -> None:
    chat = start()
    plain = chat.plain().register("plain").join()
    client = join(chat.web(), "one")
    client.sync()
    client.sock.sendall(sent)
    assert client.await_close()[0] == code
    assert "QUIT :WebSocket: " in plain.expect("one!~one@127.0.0.1 QUIT")


def test_a_line_that_is_too_long_gets_the_reply_of_irc(start: Start) -> None:
    chat = start()
    client = join(chat.web(), "one")
    client.send(f"PRIVMSG #lounge :{'x' * 600}")
    client.expect(" 417 ")
    client.sock.sendall(frame(2, b"PRIVMSG #lounge :\xff"))
    client.expect("INVALID_UTF8")


def test_flood_control_applies(start: Start) -> None:
    chat = start(flood_rate=4, flood_burst=5, max_receive_queue=8192)
    client = join(chat.web(), "one")
    client.send(*[f"PRIVMSG #lounge :{'x' * 400}"] * 40)
    client.expect("Excess flood")
    assert client.await_close()[0] == 1008


def test_empty_messages_do_not_wait(start: Start) -> None:
    chat = start(flood_rate=1, flood_burst=5)
    client = chat.web().register("one")
    client.sock.sendall(text("") * 100_000)
    client.ping()
    assert chat.worker.await_counters(lambda now: now["memory"] < 1_000_000)


def test_a_stop_says_goodbye(start: Start) -> None:
    chat = start()
    client = join(chat.web(), "one")
    chat.worker.drain(PATIENCE_S, stopping=True)
    client.expect("ERROR :Closing link")
    assert client.await_close()[0] == 1001
    chat.worker.await_exit()


def test_members_continue_in_another_process(start: Start) -> None:
    chat = start()
    plain = chat.plain().register("plain").join()
    client = join(chat.web(BINARY, user="anna"), "one")
    line = frame(2, b"PRIVMSG #lounge :between two processes")
    client.sock.sendall(frame(2, b"PRIVMSG #lo", fin=False) + line[:5])
    client.sock.sendall(b"")
    for number in range(3):
        chat.hand_over()
        plain.send(f"PRIVMSG #lounge :{number}")
        assert client.expect("PRIVMSG").endswith(f":{number}")
    waiting = chat.hand_off()
    chat.hand_over()
    waiting.shake_hands().register("waiting")
    client.sock.sendall(frame(0, b"unge :in two processes") + text("PRIVMSG #lounge :next"))
    chat.worker.await_counters(lambda now: now["members"] >= 2)


def test_a_half_received_frame_continues(start: Start) -> None:
    chat = start()
    plain = chat.plain().register("plain").join()
    client = join(chat.web(), "one")
    first = frame(1, b"PRIVMSG #lounge ", fin=False)
    second = frame(0, b":in three processes")
    for piece in (first + second[:1], second[1:9], second[9:]):
        client.sock.sendall(piece)
        client.sock.sendall(b"")
        chat.worker.await_counters(lambda _now: True)
        chat.hand_over()
    assert plain.expect("PRIVMSG").endswith(":in three processes")


def test_the_queue_waits_while_the_worker_is_replaced(start: Start) -> None:
    chat = start()
    bundle = chat.worker.hand_over()
    waiting = [chat.hand_off() for _ in range(50)]
    before, chat.worker = chat.worker, chat.worker.succeed(chat.options, bundle)
    bundle.close()
    before.dismiss()
    before.close()
    chat.worker.go()
    for number, client in enumerate(waiting):
        client.shake_hands().register(f"w{number}")


def test_nonsense_in_the_queue_is_survived(start: Start) -> None:
    chat = start()
    for record in (b"{}\n", b"nonsense", b"[]\nx", os.urandom(1000)):
        chat.entry.send(record)
    chat.web().register("one")
