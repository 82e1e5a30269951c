"""Logging in by SASL: passwords, client certificates, local users, and the shown host."""

from __future__ import annotations

import base64

import pytest

from netd.listeners.chat.room.settings import Account
from netd.protocols.password import Verdict
from tests.listeners.chat.room.room_under_test import (
    FakeClient,
    RoomUnderTest,
    sasl_plain,
)
from tests.support import cheap_hash

ALICE = {"alice": Account("Alice", cheap_hash("sesame"))}
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
    return client.send("AUTHENTICATE PLAIN", f"AUTHENTICATE {sasl_plain(name, password)}")


def account_of(client: FakeClient) -> str:
    return client.member.account


def login_of(room: RoomUnderTest) -> FakeClient:
    client = room.connect()
    client.send("CAP REQ sasl", "AUTHENTICATE PLAIN")
    return client


@pytest.mark.parametrize(
    ("said", "codes"),
    [
        (sasl_plain("alice", "sesame"), ["900", "903"]),
        (sasl_plain("ALICE", "sesame"), ["900", "903"]),
        (sasl_plain("alice", "wrong"), ["904"]),
        (sasl_plain("nobody", ""), ["904"]),
        ("!!!", ["904"]),
        ("x" * 401, ["905"]),
        ("*", ["906"]),
    ],
)
def test_sasl_plain(said: str, codes: list[str]) -> None:
    client = RoomUnderTest(accounts=ALICE).connect()
    client.send("CAP REQ sasl")
    assert client.send("AUTHENTICATE PLAIN") == [":irc.test AUTHENTICATE +"]
    assert client.codes(f"AUTHENTICATE {said}") == codes


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


def test_external_is_offered_to_local_users() -> None:
    room = RoomUnderTest()
    local = room.connect("localhost", local_user="bob")
    local.send("CAP REQ sasl", "AUTHENTICATE EXTERNAL")
    assert local.send("AUTHENTICATE +")[0].endswith("bob :You are now logged in as bob")
    remote = RoomUnderTest(accounts=ALICE).connect()
    remote.send("CAP REQ sasl")
    assert remote.codes("AUTHENTICATE EXTERNAL") == ["908", "904"]


def test_only_usable_mechanisms_are_offered() -> None:
    room = RoomUnderTest(accounts=ACCOUNTS)
    assert "sasl=PLAIN,SCRAM-SHA-256 " in room.connect().send("CAP LS 302")[1] + " "
    assert "sasl=PLAIN,EXTERNAL" in room.connect(fingerprint=PRINT).send("CAP LS 302")[1]
    bare = RoomUnderTest()
    assert "sasl=EXTERNAL" in bare.connect(local_user="ulf").send("CAP LS 302")[1]
    assert "sasl" not in " ".join(bare.connect().send("CAP LS 302"))


def test_an_unknown_sasl_mechanism_is_refused() -> None:
    client = RoomUnderTest(accounts={"anna": Account("anna", "sesame")}).join("ann", "sasl")
    assert client.codes("AUTHENTICATE NONE") == ["908", "904"]


def test_the_length_of_a_sasl_exchange_is_limited() -> None:
    room = RoomUnderTest(accounts={"anna": Account("anna", "sesame")})
    assert login_of(room).codes(f"AUTHENTICATE {'a' * 401}") == ["905"]
    client = login_of(room)
    for _ in range(40):
        codes = client.codes(f"AUTHENTICATE {'a' * 400}")
        if codes:
            break
    assert codes == ["904"]


@pytest.mark.parametrize("said", ["²", "x", "=", "/w=="])  # no ASCII, no base64, no UTF-8
def test_malformed_sasl_data_is_refused(said: str) -> None:
    client = RoomUnderTest(accounts=ACCOUNTS).connect()
    client.send("CAP REQ sasl", "AUTHENTICATE PLAIN")
    assert client.send(f"AUTHENTICATE {said}") == [FAILED]


def test_an_account_without_a_password_accepts_none() -> None:
    client = RoomUnderTest(accounts=ACCOUNTS).connect()
    client.send("CAP REQ sasl")
    assert plain(client, "bot", "")[-1] == FAILED
    assert plain(client, "nobody", "sesame")[-1] == FAILED
    assert account_of(client) == ""


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
    assert " 338 ann ann ~ann@192.0.2.1 192.0.2.1 :" in "".join(ann.send("WHOIS ann"))
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


def test_a_client_that_keeps_guessing_before_registration_is_disconnected() -> None:
    client = RoomUnderTest(accounts=ACCOUNTS).connect()
    client.send("CAP REQ sasl")
    for _ in range(5):
        assert not client.closed
        plain(client, "anna", "guess")
    assert client.closed == "Too many failed logins"


def test_a_login_that_is_not_checked_may_be_tried_again() -> None:
    room = RoomUnderTest(accounts=ALICE)
    client = room.join("ann", "sasl")
    room.verdict = Verdict.UNCHECKED
    assert plain(client, "alice", "sesame")[1:] == [
        ":irc.test 263 ann AUTHENTICATE :Please wait a while and try again.",
        ":irc.test 904 ann :SASL authentication failed",
    ]
    room.verdict = None
    assert account_of(client) == ""
    plain(client, "alice", "sesame")
    assert account_of(client) == "Alice"


@pytest.mark.parametrize("name", ["bot", "nobody"])
def test_no_password_logs_in_to_an_account_without_one(name: str) -> None:
    client = RoomUnderTest(accounts=ACCOUNTS).join("ann", "sasl")
    for guess in ("", "sesame"):
        assert plain(client, name, guess)[1:] == [":irc.test 904 ann :SASL authentication failed"]
        assert account_of(client) == ""
