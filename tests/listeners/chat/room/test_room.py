"""The room itself: settings, the server password, the persistent channel, the shutdown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netd.listeners.chat.room.effect import Record, Rehash, SaveChannel
from netd.listeners.chat.room.member import Member
from netd.listeners.chat.room.settings import Account, Settings
from netd.protocols.lines import Overlong
from netd.protocols.password import hash_password
from tests.listeners.chat.room.room_under_test import NOON, FakeClient, RoomUnderTest


def register(client: FakeClient, *before: str) -> list[str]:
    return client.codes(*before, "NICK alice", "USER alice 0 * :Alice")


@pytest.mark.parametrize("stored", ["sesame", hash_password("sesame", bytes(16))])
def test_the_right_password_is_accepted(stored: str) -> None:
    room = RoomUnderTest(password=stored)
    assert register(room.connect(), "PASS sesame")[0] == "001"


@pytest.mark.parametrize("said", [["PASS wrong"], []])
def test_a_wrong_or_missing_password_closes_the_connection(said: list[str]) -> None:
    client = RoomUnderTest(password="sesame").connect()
    assert client.send(*said, "NICK alice", "USER alice 0 * :Alice") == [
        ":irc.test 464 alice :Password incorrect",
        "ERROR :Closing link: 192.0.2.1 (password incorrect)",
    ]
    assert client.closed == "password incorrect"


def test_a_client_that_has_logged_in_needs_no_server_password() -> None:
    room = RoomUnderTest(password="sesame", accounts={"anna": Account("Anna", "pw")})
    client = room.connect()
    client.send("CAP REQ :sasl", "AUTHENTICATE PLAIN", "AUTHENTICATE AGFubmEAcHc=")
    client.send("NICK anna", "USER anna 0 * :Anna")
    assert client.codes("CAP END")[0] == "001"


def test_new_members_join_the_configured_channel() -> None:
    room = RoomUnderTest(channel="#lounge", topic="Be kind.", joins_channel=True)
    codes = register(room.connect())
    assert codes[-5:] == ["JOIN", "332", "333", "353", "366"]


def test_the_configured_channel_outlives_its_members() -> None:
    room = RoomUnderTest(channel="#lounge", opers={"root": "toor"})
    alice = room.join("alice", channel="#lounge")
    assert alice.codes("MODE #lounge +o alice") == ["482"]  # it was there before anybody
    bob = room.join("bob", channel="")
    alice.send("OPER root toor", "INVITE bob #lounge", "PART #lounge")
    assert "#lounge" in room.state.channels
    assert bob.codes("INVITE") == ["INVITE", "336", "337"]
    room.core.configure(Settings("irc.test", channel="#other"), NOON)
    assert list(room.state.channels) == ["#other"]
    assert bob.codes("INVITE") == ["337"]


def test_new_settings_remove_no_member() -> None:
    room = RoomUnderTest(channel="#lounge", topic="one")
    alice = room.join("alice", channel="#lounge")
    room.core.configure(replace(room.state.settings, channel="", topic="two"), NOON)
    assert alice.codes("TOPIC #lounge") == ["332", "333"]
    alice.send("PART #lounge")
    assert room.state.channels == {}


def test_changes_of_the_configured_channel_are_stored() -> None:
    room = RoomUnderTest(channel="#lounge", opers={"root": "toor"})
    alice = room.join("alice", channel="#lounge")
    alice.send("OPER root toor")
    kept = [
        type(effect)
        for line in (b"TOPIC #lounge :new", b"PRIVMSG #lounge :hi", b"MODE #lounge +m", b"REHASH")
        for effect in room.core.receive(alice.member, line, NOON)
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


def test_an_overlong_line_gets_417() -> None:
    alice = RoomUnderTest().join("alice")
    alice.room.apply(alice.room.core.receive(alice.member, Overlong(b"PRIVMSG"), NOON))
    assert alice.read() == [":irc.test 417 alice :Input line was too long"]


@pytest.mark.parametrize("text", [b"a\0b", b"a\r:irc.test NOTICE bob :forged"])
def test_a_line_with_a_nul_or_a_bare_cr_is_refused(text: bytes) -> None:
    room = RoomUnderTest()
    alice, bob = room.join("alice"), room.join("bob")
    refused = ":irc.test ERROR :a line holds no NUL and no carriage return but at its end"
    assert alice.send(b"PRIVMSG #room :" + text) == [refused]
    assert bob.read() == []


def test_whois_shows_the_local_user_of_a_unix_socket() -> None:
    room = RoomUnderTest()
    client = room.connect(host="localhost", local_user="ann")
    client.send("CAP LS 302")
    client.send("CAP REQ sasl", "AUTHENTICATE EXTERNAL")
    assert client.codes("AUTHENTICATE +") == ["900", "903"]
    client.send("NICK annie", "USER other 0 * :Ann", "CAP END")
    received = "\n".join(client.send("WHOIS annie"))
    assert " 311 annie annie ann localhost " in received
    assert "is verified as local user ann" in received


def test_a_member_is_plain_data() -> None:
    member = Member("192.0.2.1")
    assert not [name for name in Member.__slots__ if callable(getattr(member, name))]
