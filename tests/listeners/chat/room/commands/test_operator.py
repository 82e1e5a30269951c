"""OPER, KILL and WALLOPS."""

from __future__ import annotations

import pytest

from netd.listeners.chat.room.effect import Verify
from netd.protocols.password import Verdict
from tests.listeners.chat.room.room_under_test import (
    RoomUnderTest,
    find_line,
)
from tests.support import cheap_hash

PASSWORD = cheap_hash("sesame")


def test_operators() -> None:
    room = RoomUnderTest(opers={"root": PASSWORD})
    boss, victim = room.join("boss"), room.join("victim", channel="")
    assert boss.codes("KILL victim :x") == ["481"]
    assert boss.codes("OPER root wrong") == ["464"]
    assert boss.codes("OPER nobody wrong") == ["464"]
    assert boss.codes("OPER root sesame") == ["381", "MODE"]
    victim.send("MODE victim +w")
    boss.send("WALLOPS :fire")
    assert victim.read() == [":boss!~boss@192.0.2.1 WALLOPS fire"]
    boss.send("KILL victim :enough")
    assert victim.closed == "Killed (boss (enough))"
    assert boss.codes("WHOIS victim") == ["401", "318"]


def test_an_operator_can_kill_itself() -> None:
    root = RoomUnderTest(opers={"root": "toor"}).join("root")
    root.send("OPER root toor", "KILL root :enough")
    assert root.closed == "Killed (root (enough))"


def test_a_server_operator_operates_a_channel_it_is_not_in() -> None:
    room = RoomUnderTest(opers={"root": "toor"})
    ann, root = room.join("ann"), room.join("root", channel="")
    root.send("OPER root toor", "KICK #room ann :out")
    assert find_line(ann.read(), "KICK").endswith(" KICK #room ann out")


@pytest.mark.parametrize("guess", ["OPER root guess", "OPER nobody guess", "OPER nobody toor"])
def test_a_member_that_keeps_guessing_passwords_is_disconnected(guess: str) -> None:
    room = RoomUnderTest(opers={"root": "toor"})
    bob, eve = room.join("bob"), room.join("eve")
    bob.read()
    assert eve.codes(*[guess] * 4) == ["464"] * 4
    wrong, farewell = eve.send(guess)
    assert " 464 " in wrong
    assert farewell == "ERROR :Closing link: 192.0.2.1 (Too many failed logins)"
    assert eve.closed == "Too many failed logins"
    assert bob.read() == [":eve!~eve@192.0.2.1 QUIT :Too many failed logins"]


def test_a_wrong_operator_name_takes_as_long_as_a_wrong_password() -> None:
    room = RoomUnderTest(opers={"root": "toor"})
    eve = room.join("eve")
    for name in ("root", "nobody"):
        effects = room.core.receive(eve.client, f"OPER {name} guess".encode(), room.now)
        assert [type(effect) for effect in effects] == [Verify]
        room.apply(effects)


def test_an_operator_without_a_password_is_refused() -> None:
    assert RoomUnderTest(opers={"root": ""}).join("eve").codes("OPER root :") == ["464"]


def test_an_operator_whose_password_is_not_checked_may_try_again() -> None:
    room = RoomUnderTest(opers={"root": PASSWORD})
    boss = room.join("boss")
    room.verdict = Verdict.UNCHECKED
    for _ in range(9):  # it is no wrong password
        assert boss.send("OPER root sesame") == [
            ":irc.test 263 boss OPER :Please wait a while and try again."
        ]
    room.verdict = None
    assert boss.codes("OPER root sesame") == ["381", "MODE"]
