"""What many members are sent while many speak."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from threading import Thread

import pytest

from netd.listeners.chat import KIND
from netd.listeners.chat.crowd import Crowd
from netd.listeners.chat.room.channel import Audience
from netd.listeners.chat.room.member import Member
from netd.runtime.loop import Loop
from netd.runtime.poller import EpollPoller
from tests.conftest import StartWorker
from tests.listeners.chat.test_service import Irc

MEMBERS, SPEAKERS, LINES = 40, 5, 300
Gathering = list[tuple[str, bool]]


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop(EpollPoller())
    yield loop
    loop.close()


def audience(gathering: Gathering, *names: str) -> Audience:
    members = [Member(lambda _: None, name) for name in names]
    for member in members:
        member.gather = partial(_note, gathering, member.host)
    return {0: members[:1], 1: members[1:]}


def _note(gathering: Gathering, name: str, *, may: bool) -> None:
    gathering.append((name, may))


def test_who_is_told_something_now_and_then_is_sent_it_at_once(loop: Loop) -> None:
    gathering: Gathering = []
    crowd, told = Crowd(loop), audience(gathering, "ann", "bob")
    for _ in range(3):
        crowd.tell(told)
        _grow_quiet(loop)
    assert not gathering


def _grow_quiet(loop: Loop) -> None:
    """Until another crowd, that was told something just now, is quiet."""
    gathering: Gathering = []
    crowd, told = Crowd(loop), audience(gathering, "zoe")
    crowd.tell(told)
    crowd.tell(told)
    while len(gathering) < 2:
        loop.turn()


def test_a_crowd_told_line_upon_line_gathers_until_it_is_quiet(loop: Loop) -> None:
    gathering: Gathering = []
    crowd, told = Crowd(loop), audience(gathering, "ann", "bob")
    for _ in range(3):
        crowd.tell(told)
    assert gathering == [("ann", True), ("bob", True)]
    while len(gathering) < 4:
        loop.turn()
    assert gathering[2:] == [("ann", False), ("bob", False)]


def test_another_audience_ends_the_gathering_of_the_one_before(loop: Loop) -> None:
    gathering: Gathering = []
    crowd, before = Crowd(loop), audience(gathering, "ann")
    crowd.tell(before)
    crowd.tell(before)
    crowd.tell(audience(gathering, "bob"))
    assert gathering == [("ann", True), ("ann", False)]


def test_everybody_gets_every_line_of_a_flood_in_order(start_worker: StartWorker) -> None:
    options = {"server_name": "irc.test", "flood_rate": 0}
    worker = start_worker(KIND, options, ["tcp://127.0.0.1:0"])
    with ExitStack() as stack:
        members = [Irc(worker.connect()) for _ in range(MEMBERS)]
        for index, member in enumerate(members):
            stack.callback(member.close)
            member.register(f"m{index}").join()
        for each in members:
            each.sync()
        floods = [Thread(target=_flood, args=(each,)) for each in members[:SPEAKERS]]
        for flood in floods:
            flood.start()
        members.pop().sock.shutdown(socket.SHUT_RDWR)  # somebody leaves in the middle of it
        for flood in floods:
            flood.join()
        heard = [each.sync() for each in members]
        heard = [lines + each.sync() for lines, each in zip(heard, members, strict=True)]
    everything = {f"m{speaker}": list(range(LINES)) for speaker in range(SPEAKERS)}
    for index, lines in enumerate(heard):
        assert _by_speaker(lines) == {k: v for k, v in everything.items() if k != f"m{index}"}


def _flood(speaker: Irc) -> None:
    for number in range(LINES):
        speaker.send(f"PRIVMSG #lounge :{number}")


def _by_speaker(lines: list[str]) -> dict[str, list[int]]:
    said: dict[str, list[int]] = {}
    for line in lines:
        source, command, *_, text = line.split(" ")
        if command == "PRIVMSG":
            said.setdefault(source[1:].partition("!")[0], []).append(int(text[1:]))
    return said
