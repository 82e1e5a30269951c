"""Logging in: SASL, client certificates, local users, and the shown host."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from netd.listeners.chat.room.effect import Verify
from netd.listeners.chat.room.settings import Account
from tests.listeners.chat.room.room_under_test import FakeClient, RoomUnderTest

PRINT, OTHER_PRINT = "ab" * 32, "cd" * 32
ACCOUNTS = {
    "anna": Account("Anna", "sesame", host="staff.example"),
    "bot": Account("Bot", fingerprints=frozenset({PRINT}), local_user="daemon"),
    "bot2": Account("Bot2", fingerprints=frozenset({PRINT})),
}
FAILED = ":irc.test 904 * :SASL authentication failed"


def external(client: FakeClient, wanted: str = "") -> list[str]:
    client.send("CAP REQ sasl")
    said = base64.b64encode(wanted.encode()).decode() or "+"
    return client.send("AUTHENTICATE EXTERNAL", f"AUTHENTICATE {said}")[1:]


def plain(client: FakeClient, name: str, password: str) -> list[str]:
    said = base64.b64encode(f"\0{name}\0{password}".encode()).decode()
    return client.send("AUTHENTICATE PLAIN", f"AUTHENTICATE {said}")


def account_of(client: FakeClient) -> str:
    return client.member.account


@pytest.mark.parametrize(
    ("about", "wanted", "account"),
    [
        ({"fingerprint": PRINT}, "", "Bot"),
        ({"fingerprint": PRINT}, "bot2", "Bot2"),
        ({"fingerprint": PRINT}, "anna", ""),
        ({"fingerprint": OTHER_PRINT}, "", ""),
        ({"fingerprint": OTHER_PRINT}, "bot", ""),
        ({"local_user": "daemon"}, "", "Bot"),
        ({"local_user": "daemon"}, "BOT", "Bot"),
        ({"local_user": "daemon"}, "anna", ""),
        ({"local_user": "ulf"}, "", "ulf"),
        ({"local_user": "ulf"}, "ulf", "ulf"),
        ({"local_user": "anna"}, "", ""),  # a user of that name is not the account of that name
    ],
)
def test_external(about: dict[str, str], wanted: str, account: str) -> None:
    client = RoomUnderTest(accounts=ACCOUNTS).connect(**about)
    answer = external(client, wanted)
    assert account_of(client) == account
    assert (answer == [FAILED]) == (not account)


def test_only_usable_mechanisms_are_offered() -> None:
    room = RoomUnderTest(accounts=ACCOUNTS)
    assert "sasl=PLAIN " in room.connect().send("CAP LS 302")[1] + " "
    assert "sasl=PLAIN,EXTERNAL" in room.connect(fingerprint=PRINT).send("CAP LS 302")[1]
    bare = RoomUnderTest()
    assert "sasl=EXTERNAL" in bare.connect(local_user="ulf").send("CAP LS 302")[1]
    assert "sasl" not in " ".join(bare.connect().send("CAP LS 302"))


def test_an_account_without_a_password_accepts_none() -> None:
    client = RoomUnderTest(accounts=ACCOUNTS).connect()
    client.send("CAP REQ sasl")
    assert plain(client, "bot", "")[-1] == FAILED
    assert plain(client, "nobody", "sesame")[-1] == FAILED
    assert account_of(client) == ""


@pytest.mark.parametrize("said", ["²", "x", "=", "/w=="])  # no ASCII, no base64, no UTF-8
def test_malformed_sasl_data_is_refused(said: str) -> None:
    client = RoomUnderTest(accounts=ACCOUNTS).connect()
    client.send("CAP REQ sasl", "AUTHENTICATE PLAIN")
    assert client.send(f"AUTHENTICATE {said}") == [FAILED]


def test_whois_shows_the_certificate_only_to_its_owner() -> None:
    room = RoomUnderTest()
    ann, bob = room.join("ann", fingerprint=PRINT), room.join("bob")
    shown = f":irc.test 276 ann ann :has client certificate fingerprint {PRINT}"
    assert shown in ann.send("WHOIS ann")
    assert not [line for line in bob.send("WHOIS ann") if " 276 " in line]


def test_a_login_changes_the_shown_host() -> None:
    room = RoomUnderTest(accounts=ACCOUNTS)
    ann = room.join("ann", "sasl", "chghost")
    new, old, outside = room.join("new", "chghost"), room.join("old"), room.join("out", "chghost")
    outside.send("PART #room")
    for client in (ann, new, old):
        client.read()
    answer = plain(ann, "anna", "sesame")
    assert ":irc.test 396 ann staff.example :is now your visible host" in answer
    assert ":ann!~ann@192.0.2.1 CHGHOST ~ann staff.example" in answer
    assert new.read() == [":ann!~ann@192.0.2.1 CHGHOST ~ann staff.example"]
    assert old.read() == outside.read() == []
    ann.send("PRIVMSG #room :hi")
    assert old.read() == [":ann!~ann@staff.example PRIVMSG #room :hi"]
    assert " 338 ann ann 192.0.2.1 :" in "".join(ann.send("WHOIS ann"))
    seen = old.send("WHOIS ann", "WHO ann", "USERHOST ann")
    assert not [line for line in seen if "192.0.2.1" in line]


def test_a_login_before_registration_sets_the_shown_host_from_the_start() -> None:
    room = RoomUnderTest(accounts=ACCOUNTS)
    old, ann = room.join("old", "chghost"), room.connect()
    ann.send("CAP REQ sasl")
    plain(ann, "anna", "sesame")
    ann.send("NICK ann", "USER ann 0 * :ann", "CAP END", "JOIN #room")
    assert old.read() == [":ann!~ann@staff.example JOIN #room"]


def test_a_shown_host_does_not_evade_a_ban() -> None:
    room = RoomUnderTest(accounts=ACCOUNTS)
    op, ann = room.join("op"), room.join("ann", "sasl", channel="")
    plain(ann, "anna", "sesame")
    op.send("MODE #room +b *!*@192.0.2.1")
    assert ann.codes("JOIN #room") == ["474"]
    op.send("MODE #room -b *!*@192.0.2.1", "MODE #room +b *!*@staff.example")
    assert ann.codes("JOIN #room") == ["474"]


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
        effects = room.core.receive(eve.member, f"OPER {name} guess".encode(), room.now)
        assert [type(effect) for effect in effects] == [Verify]
        room.apply(effects)


def test_an_operator_without_a_password_is_refused() -> None:
    assert RoomUnderTest(opers={"root": ""}).join("eve").codes("OPER root :") == ["464"]


def test_a_client_that_keeps_guessing_before_registration_is_disconnected() -> None:
    client = RoomUnderTest(accounts=ACCOUNTS).connect()
    client.send("CAP REQ sasl")
    for _ in range(5):
        assert not client.closed
        plain(client, "anna", "guess")
    assert client.closed == "Too many failed logins"


def test_a_reload_announces_that_sasl_becomes_available_or_unavailable() -> None:
    room = RoomUnderTest()
    asking, silent, early = room.connect(), room.join("silent"), room.connect()
    asking.send("CAP LS 302", "NICK asking", "USER a 0 * :a", "CAP END")
    early.send("CAP LS 302")
    without = room.state.settings

    def reload(accounts: dict[str, Account]) -> list[str]:
        settings = replace(without, accounts=accounts)
        room.apply(room.core.configure(settings, room.now))
        return asking.read()

    assert reload(ACCOUNTS) == [":irc.test CAP asking NEW sasl=PLAIN"]
    assert early.read() == [":irc.test CAP * NEW sasl=PLAIN"]
    assert reload(ACCOUNTS) == []
    asking.send("CAP REQ sasl")
    assert reload({}) == [":irc.test CAP asking DEL sasl"]
    assert asking.send("CAP LIST") == [":irc.test CAP asking LIST cap-notify"]
    assert silent.read() == []
