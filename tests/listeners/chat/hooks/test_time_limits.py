"""What a hook and its streams do as time passes, with a clock of the test."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

from netd.listeners.chat.hooks.event_stream import HEARTBEAT_S, EventStream, event_of
from netd.listeners.chat.hooks.hook_client import HookClient, Job, Steps
from netd.listeners.chat.hooks.hook_stream import HookStream
from netd.protocols.hook import HookReply
from netd.protocols.irc import Message
from netd.runtime.loop import Loop
from netd.runtime.poller import EpollPoller

HELLO = Message("PRIVMSG", ("#ops", "hello"), "ann!a@h", {"msgid": "1-1", "time": "now"})


class Clock:
    """A loop whose time the test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        self.loop = Loop(EpollPoller(), lambda: self.now)
        self.turn()

    def pass_(self, seconds: float) -> None:
        self.now += seconds
        self.turn()

    def turn(self) -> None:
        self.loop.call_next_turn(lambda: None)
        for _ in range(3):
            self.loop.call_next_turn(lambda: None)
            self.loop.turn()


@pytest.fixture
def clock() -> Iterator[Clock]:
    clock = Clock()
    yield clock
    clock.loop.close()


def test_a_silent_stream_gets_comments(clock: Clock) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        stream = EventStream(clock.loop, theirs, "#ops", b"HEAD\n", lambda _: None)
        stream.catch_up(())
        stream.go_live()
        clock.turn()
        assert ours.recv(1000) == b"HEAD\nretry: 2000\n\n"
        clock.pass_(HEARTBEAT_S - 1)
        stream.keep_alive()
        stream.on_event(event_of(HELLO))
        clock.turn()
        assert ours.recv(1000).startswith(b"id: 1-1\ndata: {")
        clock.pass_(HEARTBEAT_S - 1)
        stream.keep_alive()
        clock.pass_(1)
        stream.keep_alive()
        clock.turn()
        assert ours.recv(1000) == b":\n\n"
        stream.finish()
        clock.turn()


def test_a_stream_that_is_not_read_ends(clock: Clock) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        ended: list[EventStream] = []
        stream = EventStream(clock.loop, theirs, "#ops", b"HEAD\n", ended.append)
        stream.catch_up(())
        stream.go_live()
        event = event_of(Message("PRIVMSG", ("#ops", "x" * 50_000), "a!a@h", HELLO.tags))
        for _ in range(100):
            stream.on_event(event)
            clock.turn()
        assert ended == [stream]


def test_a_stream_that_waits_for_the_room_keeps_a_bounded_number_of_events(clock: Clock) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        ended: list[EventStream] = []
        stream = EventStream(clock.loop, theirs, "#ops", b"", ended.append)
        for _ in range(1001):
            stream.on_event(event_of(HELLO))
        clock.turn()
        assert ours.recv(1) == b""


class Room:
    """A room that replies to nothing by itself."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.received = b""
        self.replies: list[HookReply | None] = []
        self.client = HookClient(clock.loop, "deploy", self._make, lambda _: None, lambda _: None)
        clock.turn()

    def _make(
        self, on_lines: Callable[[bytes], object], on_lost: Callable[[str], object]
    ) -> HookStream:
        self.stream = HookStream(self._clock.loop, on_lines, on_lost)
        return self.stream.bind(self._on_data, lambda _: None)

    def _on_data(self, data: bytes) -> None:
        self.received += data

    def send(self, *lines: str) -> None:
        for line in lines:
            self.stream.write(f"{line}\r\n".encode())
        self._clock.turn()

    def ask(self) -> None:
        def steps() -> Steps:
            yield [b"@label=hook JOIN #ops\r\n"]
            return HookReply(204)

        self.client.run(Job(steps(), lambda: True, self.replies.append))
        self._clock.turn()


def test_a_room_that_does_not_reply_is_left(clock: Clock) -> None:
    room = Room(clock)
    room.ask()
    clock.pass_(59)
    room.client.check()
    assert room.replies == []
    clock.pass_(2)
    room.client.check()
    assert [reply.status for reply in room.replies if reply] == [503]


def test_a_request_that_gets_no_reply_is_to_be_repeated(clock: Clock) -> None:
    room = Room(clock)
    room.send(":s 001 deploy :Welcome")
    room.ask()
    room.ask()
    clock.pass_(61)
    room.client.check()
    assert room.replies == [None, None]


def test_the_lines_of_others_are_not_read_without_need(clock: Clock) -> None:
    room = Room(clock)
    room.send(":s 001 deploy :Welcome", "PING :s")
    assert room.received.endswith(b"MODE deploy +B\r\nPONG :s\r\n")
    room.send("@label=hook :ann!a@h PRIVMSG #ops :hi\r\n:bad\rline")
    room.ask()
    room.send(
        ":x!x@h PRIVMSG #ops :not a reply", ":bad\rline", "@label=hook :s 403 deploy #ops :No"
    )
    assert room.replies == [HookReply(204)]


def test_an_error_before_the_welcome_is_the_reason(clock: Clock) -> None:
    room = Room(clock)
    room.ask()
    room.send("ERROR :You are banned")
    room.stream.finish("banned")
    clock.turn()
    assert room.replies == [HookReply(503, "You are banned", 2)]
