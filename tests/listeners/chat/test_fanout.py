"""The fan-out of channel messages, alone and in a worker."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from threading import Thread

import pytest

from netd.listeners.chat import KIND
from netd.listeners.chat.fanout import DIRECT_S, Fanout
from netd.listeners.chat.room.channel import Audience
from netd.listeners.chat.room.effect import Broadcast
from netd.listeners.chat.room.encoded_message import EncodedMessage
from netd.listeners.chat.room.member import Client
from netd.listeners.chat.websocket_stream import WebSocketStream
from netd.protocols.websocket import Opcode
from netd.runtime.loop import Loop
from netd.runtime.poller import EpollPoller
from netd.runtime.stream import ignore
from tests.conftest import StartWorker
from tests.listeners.chat.test_service import Irc

MEMBERS, SENDERS, LINES = 40, 5, 300
Sent = list[tuple[str, bytes]]


class Text(EncodedMessage):
    """A message that is encoded as a text, which has a tag for some groups of the audience."""

    def __init__(self, text: bytes) -> None:
        self.body = text

    def bytes_for(self, tag_caps: int) -> bytes:
        return b"@tag " + self.body if tag_caps else self.body


class Log:
    """An outlet that keeps a log of the bytes."""

    def __init__(self, sent: Sent, name: str) -> None:
        self._sent = sent
        self._name = name

    def write(self, data: bytes) -> None:
        self._sent.append((f"{self._name}, queued", data))

    def send(self, data: bytes) -> None:
        self._sent.append((self._name, data))


def line(audience: Audience, text: bytes, skip: Client | None = None) -> Broadcast:
    return Broadcast(audience, skip, Text(text))


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop(EpollPoller(), lambda: 0.0)  # no turn is long
    yield loop
    loop.close()


def client(fanout: Fanout, sent: Sent, name: str) -> Client:
    client = Client(name)
    fanout.attach(client, Log(sent, name))
    return client


def web_client(
    fanout: Fanout, loop: Loop, stack: ExitStack, opcode: Opcode
) -> tuple[Client, socket.socket]:
    near, far = socket.socketpair()
    stack.callback(far.close)
    near.setblocking(False)
    stream = WebSocketStream(
        loop,
        near,
        opcode=opcode,
        is_relayed=False,
        on_data=ignore,
        on_end=ignore,
        on_closed=ignore,
        serve_later=ignore,
        max_unsent_bytes=1000,
    )
    stack.callback(stream.close, "the end")
    client = Client(opcode.name)
    fanout.attach(client, stream.stream, opcode)
    return client, far


def test_the_lines_of_one_turn_leave_in_that_turn_and_in_one_call(loop: Loop) -> None:
    sent: Sent = []
    fanout = Fanout(loop)
    audience = {0: [client(fanout, sent, "ann")], 1: [client(fanout, sent, "bob")]}
    loop.call_later(0, lambda: fanout.add(line(audience, b"1")))
    loop.call_later(0, lambda: fanout.add(line(audience, b"2")))
    loop.turn()
    assert sent == [("ann", b"12"), ("bob", b"@tag 1@tag 2")]


def test_a_member_is_not_sent_the_lines_that_skip_it(loop: Loop) -> None:
    sent: Sent = []
    fanout = Fanout(loop)
    ann, bob = client(fanout, sent, "ann"), client(fanout, sent, "bob")
    for text, skip in ((b"1", ann), (b"2", bob), (b"3", None)):
        fanout.add(line({0: [ann, bob]}, text, skip))
        fanout.flush()
    audience = {0: [ann, bob]}
    for text, skip in ((b"4", ann), (b"5", bob), (b"6", ann)):
        fanout.add(line(audience, text, skip))
    loop.turn()
    assert [data for name, data in sent if name == "ann, queued"] == [b"2", b"3"]
    assert sent[-2:] == [("ann", b"5"), ("bob", b"46")]


def test_clients_get_lines_or_messages_of_their_type(loop: Loop) -> None:
    with ExitStack() as stack:
        sent: Sent = []
        fanout = Fanout(loop)
        texts, binaries = (
            web_client(fanout, loop, stack, opcode) for opcode in (Opcode.TEXT, Opcode.BINARY)
        )
        plain = client(fanout, sent, "plain")
        audience = {0: [texts[0], plain, binaries[0]]}
        fanout.add(line(audience, b"both\r\n"))
        fanout.add(line(audience, b"one\r\n", texts[0]))
        loop.turn()
        fanout.send((texts[0], plain), b"x\r\n")
        loop.turn()
        assert sent == [("plain", b"both\r\none\r\n"), ("plain, queued", b"x\r\n")]
        assert texts[1].recv(100) == b"\x81\x04both\x81\x01x"
        assert binaries[1].recv(100) == b"\x82\x04both\x82\x03one"


def test_a_line_to_another_audience_leaves_after_the_lines_before_it(loop: Loop) -> None:
    sent: Sent = []
    fanout = Fanout(loop)
    ann, bob = client(fanout, sent, "ann"), client(fanout, sent, "bob")
    fanout.add(line({0: [ann]}, b"first"))
    fanout.add(line({0: [ann, bob]}, b"second"))
    loop.turn()
    assert sent == [("ann, queued", b"first"), ("ann", b"second"), ("bob", b"second")]


def test_a_line_to_a_large_channel_is_sent_in_the_same_turn(loop: Loop) -> None:
    sent: Sent = []
    fanout = Fanout(loop)
    audience = {0: [client(fanout, sent, f"m{index}") for index in range(MEMBERS)]}
    for _ in range(3):
        loop.call_later(0, lambda: fanout.add(line(audience, b"hello")))
        loop.turn()
        assert [data for _, data in sent] == [b"hello"] * MEMBERS
        sent.clear()


def test_every_member_gets_every_line_of_a_flood_in_order(start_worker: StartWorker) -> None:
    options = {"server_name": "irc.test", "flood_rate": 0}
    worker = start_worker(KIND, options, ["tcp://127.0.0.1:0"])
    with ExitStack() as stack:
        members = [Irc(worker.connect()) for _ in range(MEMBERS)]
        for index, client in enumerate(members):
            stack.callback(client.close)
            client.register(f"m{index}").join()
        for client in members:
            client.sync()
        floods = [Thread(target=_flood, args=(sender,)) for sender in members[:SENDERS]]
        for flood in floods:
            flood.start()
        members.pop().sock.shutdown(socket.SHUT_RDWR)  # a member leaves in the middle of it
        for flood in floods:
            flood.join()
        received = [client.sync() for client in members]
        received = [lines + client.sync() for lines, client in zip(received, members, strict=True)]
    sent = {f"m{sender}": list(range(LINES)) for sender in range(SENDERS)}
    for index, lines in enumerate(received):
        assert _by_sender(lines) == {k: v for k, v in sent.items() if k != f"m{index}"}


def _flood(sender: Irc) -> None:
    for number in range(LINES):
        sender.send(f"PRIVMSG #lounge :{number}")


def _by_sender(lines: list[str]) -> dict[str, list[int]]:
    numbers: dict[str, list[int]] = {}
    for line in lines:
        source, command, *_, text = line.split(" ")
        if command == "PRIVMSG":
            numbers.setdefault(source[1:].partition("!")[0], []).append(int(text[1:]))
    return numbers


def test_sending_is_bounded_by_time_and_what_is_left_is_queued() -> None:
    sent: Sent = []
    slow = Loop(EpollPoller(), lambda: DIRECT_S * len(sent) / 20)
    fanout = Fanout(slow)
    audience = {0: [client(fanout, sent, f"{number:02}") for number in range(50)]}
    fanout.add(line(audience, b"a\r\n"))
    slow.turn()
    slow.close()
    assert [name for name, _ in sent] == [
        *(f"{number:02}" for number in range(32)),
        *(f"{number:02}, queued" for number in range(32, 50)),
    ]
    assert {data for _, data in sent} == {b"a\r\n"}


def test_lines_that_come_before_late_output_are_queued_with_it() -> None:
    sent: Sent = []
    times = itertools.count()
    slow = Loop(EpollPoller(), lambda: float(next(times)))
    for _ in range(3):
        slow.defer_output(lambda: None)
    slow.turn()
    assert slow.has_late_output
    fanout = Fanout(slow)
    fanout.add(line({0: [client(fanout, sent, "a")]}, b"a\r\n"))
    slow.turn()
    slow.close()
    assert sent == [("a, queued", b"a\r\n")]
