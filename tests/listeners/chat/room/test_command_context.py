"""Replies: labels, batches, and parameters that a reply cannot repeat."""

from __future__ import annotations

import pytest

from netd.listeners.chat.room.settings import RoomLimits
from tests.listeners.chat.room.room_under_test import (
    RoomUnderTest,
)


def test_a_label_ties_the_replies_to_their_line() -> None:
    room = RoomUnderTest()
    alice = room.join("alice", "labeled-response", "batch")
    assert alice.send("@label=a PONG x") == ["@label=a :irc.test ACK"]
    assert alice.send("@label=b PING x") == ["@label=b :irc.test PONG irc.test x"]
    start, *inner, end = alice.send("@label=c WHOIS alice")
    assert start.startswith("@label=c :irc.test BATCH +")
    reference = start.split()[3][1:]
    assert end == f":irc.test BATCH -{reference}"
    assert all(line.startswith(f"@batch={reference} ") for line in inner)


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("WHOIS :two words", "401 alice * :No such nick/channel"),
        ("JOIN ::colon", "403 alice * :No such channel"),
        ("KICK #room :", "401 alice * :No such nick/channel"),
        ("WHO :two words", "315 alice * :End of WHO list"),
        ("CHATHISTORY :two words", "FAIL CHATHISTORY INVALID_PARAMS * :Unknown command"),
    ],
)
def test_a_parameter_that_cannot_be_repeated_becomes_a_star(said: str, answer: str) -> None:
    assert RoomUnderTest().join("alice").send(said)[0] == f":irc.test {answer}"


def test_no_reply_loses_long_names() -> None:
    room = RoomUnderTest(limits=RoomLimits(nick_chars=64))
    rooms = [f"#{number}{'ä' * 60}" for number in range(8)]
    ann = room.join(f"ann{'n' * 61}", channel="")
    ann.send(*(f"JOIN {name}" for name in rooms))
    nicks = [ann.member.nick, *(f"{'n' * 60}{number}" for number in range(10, 22))]
    for nick in nicks[1:]:
        room.join(nick, channel=rooms[0])
    for nick in nicks:
        ann.send(f"MONITOR + {nick}")
    for question, code, between, answer in (
        (f"NAMES {rooms[0]}", " 353 ", " ", ["@" + nicks[0], *nicks[1:]]),
        (f"WHOIS {nicks[0]}", " 319 ", " ", ["@" + name for name in rooms]),
        (f"ISON {' '.join(nicks[:7])}", " 303 ", " ", nicks[:7]),
        ("MONITOR L", " 732 ", ",", nicks),
    ):
        lines = [line for line in ann.send(question) if code in line]
        last = [line.rpartition(" :" if " :" in line else " ")[2] for line in lines]
        assert [word for words in last for word in words.split(between)] == answer
