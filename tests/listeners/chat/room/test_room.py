"""The room itself: lines, settings, limits, the persistent channel, the shutdown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netd.listeners.chat.room.effect import Record, Rehash, SaveChannel
from netd.listeners.chat.room.member import Client, Member
from netd.listeners.chat.room.settings import RoomLimits, RoomSettings
from netd.protocols.lines import Overlong
from netd.protocols.password import Verdict
from tests.listeners.chat.room.room_under_test import (
    NOON,
    RoomUnderTest,
    find_line,
)


def test_an_overlong_line_gets_417() -> None:
    alice = RoomUnderTest().join("alice")
    alice.room.apply(alice.room.core.receive(alice.client, Overlong(b"PRIVMSG"), NOON))
    assert alice.read() == [":irc.test 417 alice :Input line was too long"]


def test_a_too_long_line_gets_an_error_and_the_next_one_works() -> None:
    alice = RoomUnderTest().join("alice")
    assert alice.codes("PRIVMSG #room :" + "x" * 600) == ["417"]
    assert alice.codes("PING ok") == ["PONG"]


@pytest.mark.parametrize("text", [b"a\0b", b"a\r:irc.test NOTICE bob :forged"])
def test_a_line_with_a_nul_or_a_bare_cr_is_refused(text: bytes) -> None:
    room = RoomUnderTest()
    alice, bob = room.join("alice"), room.join("bob")
    refused = ":irc.test ERROR :a line holds no NUL and no carriage return but at its end"
    assert alice.send(b"PRIVMSG #room :" + text) == [refused]
    assert bob.read() == []


def test_a_line_that_is_not_utf8_is_refused_by_a_standard_reply() -> None:
    alice = RoomUnderTest().join("alice")
    (line,) = alice.send(b"PRIVMSG #room :\xff\xfe")
    assert line == ":irc.test FAIL PRIVMSG INVALID_UTF8 :Your message is not UTF-8"
    assert alice.send(b":alice PRIVMSG #room :\xff") == [line]
    assert alice.send(b"@+typing=\xff") == [line.replace("PRIVMSG", "*")]


def test_a_line_that_is_not_utf_8_keeps_its_label() -> None:
    alice = RoomUnderTest().join("alice", "labeled-response", "batch")
    (line,) = alice.send(b"@label=a;x=\xff PRIVMSG #room :\xff")
    assert line.startswith("@label=a :irc.test FAIL PRIVMSG INVALID_UTF8 ")


@pytest.mark.parametrize(
    ("limits", "lines", "code"),
    [
        (RoomLimits(channels_per_member=1), ["JOIN #two"], "405"),
        (RoomLimits(channels=1), ["JOIN #two"], "405"),
        (RoomLimits(list_entries=1), ["MODE #room +bb a b"], "478"),
        (RoomLimits(monitored=1), ["MONITOR + a,b"], "734"),
        (RoomLimits(nick_chars=9), ["NICK tencharact"], "432"),
        (RoomLimits(channel_chars=5), ["JOIN #toolong"], "403"),
        (RoomLimits(key_chars=3), ["MODE #room +k long"], "525"),
    ],
)
def test_every_limit_has_its_error_reply(limits: RoomLimits, lines: list[str], code: str) -> None:
    assert code in RoomUnderTest(limits=limits).join("alice").codes(*lines)


def test_a_notice_from_the_server() -> None:
    room = RoomUnderTest()
    ann = room.join("ann")
    room.apply(room.core.send_notices(ann.client, ["reloaded"], room.now))
    assert find_line(ann.read(), "NOTICE").endswith(" NOTICE ann :reloaded")


def test_a_verification_of_a_member_that_has_left_does_nothing() -> None:
    room = RoomUnderTest()
    ann = room.join("ann")
    assert room.core.verified(ann.client, room.now, Verdict.RIGHT) == []


def test_new_settings_remove_no_member() -> None:
    room = RoomUnderTest(channel="#lounge", topic="one")
    alice = room.join("alice", channel="#lounge")
    room.core.configure(replace(room.state.settings, channel="", topic="two"), NOON)
    assert alice.codes("TOPIC #lounge") == ["332", "333"]
    alice.send("PART #lounge")
    assert room.state.channels == {}


def test_a_reload_keeps_all_members_and_the_channel() -> None:
    room = RoomUnderTest(channel="#lounge", topic="be kind")
    alice = room.join("alice", channel="#lounge")
    alice.send("PART #lounge")
    assert "#lounge" in room.state.channels
    room.core.configure(room.state.settings.__class__("new.test"), room.now)
    assert "#lounge" not in room.state.channels
    assert alice.send("PING x") == [":new.test PONG new.test x"]


def test_the_configured_channel_outlives_its_members() -> None:
    room = RoomUnderTest(channel="#lounge", opers={"root": "toor"})
    alice = room.join("alice", channel="#lounge")
    assert alice.codes("MODE #lounge +o alice") == ["482"]  # the channel existed before alice
    bob = room.join("bob", channel="")
    alice.send("OPER root toor", "INVITE bob #lounge", "PART #lounge")
    assert "#lounge" in room.state.channels
    assert bob.codes("INVITE") == ["INVITE", "336", "337"]
    room.core.configure(RoomSettings("irc.test", channel="#other"), NOON)
    assert list(room.state.channels) == ["#other"]
    assert bob.codes("INVITE") == ["337"]


def test_changes_of_the_configured_channel_are_stored() -> None:
    room = RoomUnderTest(stores_messages=True, channel="#lounge", opers={"root": "toor"})
    alice = room.join("alice", channel="#lounge")
    alice.send("OPER root toor")
    kept = [
        type(effect)
        for line in (b"TOPIC #lounge :new", b"PRIVMSG #lounge :hi", b"MODE #lounge +m", b"REHASH")
        for effect in room.core.receive(alice.client, line, NOON)
        if isinstance(effect, SaveChannel | Record | Rehash)
    ]
    assert kept == [Record, SaveChannel, Record, SaveChannel, Rehash]


def test_a_shutdown_is_announced_to_all_clients() -> None:
    room = RoomUnderTest()
    alice, newcomer = room.join("alice"), room.connect()
    room.apply(room.core.shut_down("server shutting down", NOON))
    farewell = ["ERROR :Closing link: 192.0.2.1 (server shutting down)"]
    assert (alice.read(), newcomer.read()) == (farewell, farewell)
    assert (alice.closed, newcomer.closed) == ("server shutting down",) * 2
    assert alice.send("PRIVMSG #room :anybody?") == []
    room.leave(alice, "gone")


def test_a_shutdown_closes_all_connections() -> None:
    room = RoomUnderTest()
    ann, newcomer = room.join("ann"), room.connect()
    newcomer.send("NICK newcomer")
    room.apply(room.core.shut_down("bye", room.now))
    assert (ann.closed, newcomer.closed) == ("bye", "bye")
    assert newcomer.read() == ["ERROR :Closing link: 192.0.2.1 (bye)"]
    assert not room.state.members
    assert not room.state.unregistered
    room.leave(ann, "bye")  # its connection ends after that


def test_a_member_is_plain_data() -> None:
    member, client = Member("192.0.2.1"), Client("192.0.2.1")
    assert not [name for name in Member.__slots__ if callable(getattr(member, name))]
    assert not [name for name in Client.__slots__ if callable(getattr(client, name))]
