"""Registration: the server password, nicks, the welcome, and QUIT."""

from __future__ import annotations

import pytest

from netd.listeners.chat.room.settings import Account, RoomSettings
from netd.protocols.password import Verdict
from tests.listeners.chat.room.room_under_test import (
    FakeClient,
    RoomUnderTest,
    sasl_plain,
)
from tests.support import cheap_hash


def register(client: FakeClient, *before: str) -> list[str]:
    return client.codes(*before, "NICK alice", "USER alice 0 * :Alice")


def test_the_server_password_is_required_and_checked() -> None:
    room = RoomUnderTest(password="open")
    wrong = room.connect()
    wrong.send("PASS shut", "NICK a")
    assert wrong.codes("USER a 0 * :a") == [
        "464",
        "ERROR :Closing link: 192.0.2.1 (password incorrect)",
    ]
    assert wrong.closed == "password incorrect"
    right = room.connect()
    right.send("PASS open", "NICK b")
    assert right.codes("USER b 0 * :b")[0] == "001"


@pytest.mark.parametrize("stored", ["sesame", cheap_hash("sesame")])
def test_the_right_password_is_accepted(stored: str) -> None:
    room = RoomUnderTest(password=stored)
    assert register(room.connect(), "PASS sesame")[0] == "001"


def test_a_server_password_that_is_not_checked_closes_the_connection() -> None:
    room = RoomUnderTest(password="sesame")
    room.verdict = Verdict.UNCHECKED
    client = room.connect()
    assert client.send("PASS sesame", "NICK alice", "USER alice 0 * :Alice") == [
        "ERROR :Closing link: 192.0.2.1 (too many passwords to check, try again later)",
    ]


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


def test_a_nick_is_unique_in_any_case() -> None:
    room = RoomUnderTest()
    room.join("alice")
    other = room.connect()
    assert other.codes("NICK ALICE") == ["433"]
    assert other.codes("NICK 1abc") == ["432"]
    assert other.codes("NICK") == ["431"]


def test_a_local_users_name_has_no_tilde() -> None:
    client = RoomUnderTest().join("bob", host="localhost", local_user="robert")
    assert client.member.prefix == "bob!robert@localhost"
    assert RoomUnderTest().join("eve").member.prefix == "eve!~eve@192.0.2.1"


def test_new_members_join_the_configured_channel() -> None:
    room = RoomUnderTest(channel="#lounge", topic="Be kind.", joins_channel=True)
    codes = register(room.connect())
    assert codes[-5:] == ["JOIN", "332", "333", "353", "366"]


def test_a_quit_is_sent_once_to_a_member_of_several_common_channels() -> None:
    room = RoomUnderTest()
    alice = room.join("alice")
    bob = room.join("bob")
    for client in (alice, bob):
        client.send("JOIN #other")
    alice.read()
    room.leave(bob, "Ping timeout")
    assert alice.read() == [":bob!~bob@192.0.2.1 QUIT :Ping timeout"]
    assert alice.codes("WHOWAS bob") == ["314", "312", "369"]


def test_an_unknown_command_before_registration_gets_451() -> None:
    assert RoomUnderTest().connect().codes("FROBNICATE") == ["451"]


ANNA = {"anna": Account("Anna", "sesame", local_user="anna")}
LOGIN = ("AUTHENTICATE PLAIN", f"AUTHENTICATE {sasl_plain('anna', 'sesame')}")


def test_the_nick_of_an_account_is_for_its_owner() -> None:
    room = RoomUnderTest(accounts=ANNA)
    stranger, owner = room.connect(), room.connect()
    stranger.send("NICK anna")  # waits for the owner's login, and holds nothing
    owner.send("CAP REQ :sasl", "NICK anna", "USER anna 0 * :Anna", *LOGIN)
    assert owner.codes("CAP END")[0] == "001"
    assert stranger.codes("USER eve 0 * :Eve") == ["433"]
    assert stranger.codes("NICK eve")[0] == "001"
    assert stranger.codes("NICK ANNA") == ["433"]
    owner.send("NICK other")
    assert stranger.codes("NICK ANNA") == ["433"]
    assert owner.codes("NICK anna") == ["NICK"]


def test_a_verified_local_user_owns_the_nick_of_its_account() -> None:
    room = RoomUnderTest(accounts=ANNA)
    assert room.join("anna", local_user="anna").member.is_registered
    assert not room.join("anna", channel="", local_user="eve").member.is_registered


def test_regain_takes_the_nick_of_the_account_back() -> None:
    room = RoomUnderTest()
    holder, owner = room.join("anna"), room.join("anna_", "sasl", channel="")
    assert owner.codes("REGAIN anna") == ["FAIL"]
    room.core.configure(RoomSettings("irc.test", accounts=ANNA), room.now)
    owner.send("CAP REQ sasl", *LOGIN)
    assert owner.codes("REGAIN holder") == ["FAIL"]
    assert owner.codes("REGAIN") == ["NICK"]
    assert holder.closed == "Replaced by anna_, the owner of the nick"
    assert not holder.member.is_registered
    assert owner.codes("REGAIN Anna") == []


def test_ghost_disconnects_other_connections_of_the_account() -> None:
    room = RoomUnderTest(accounts=ANNA)
    first, second = room.join("one", "sasl"), room.join("two", "sasl")
    eve = room.join("eve")
    assert eve.codes("GHOST one", "GHOST") == ["FAIL", "FAIL"]
    for client in (first, second):
        client.send(*LOGIN)
    assert second.codes("GHOST eve", "GHOST two", "GHOST anna") == ["FAIL", "FAIL", "401"]
    assert "NOTICE" in second.codes("GHOST one")
    assert first.closed
    assert not second.closed
    assert not eve.closed
