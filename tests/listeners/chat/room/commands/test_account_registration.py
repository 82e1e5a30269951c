"""REGISTER and VERIFY (IRCv3 draft account-registration)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from netd.listeners.chat.room.accounts import RegisteredAccount
from netd.listeners.chat.room.client_state import ClientState
from netd.listeners.chat.room.effect import Effect, Verify
from netd.listeners.chat.room.settings import Account, RegistrationSettings
from netd.protocols.password import Verdict, matches
from tests.listeners.chat.room.room_under_test import (
    RoomUnderTest,
    find_line,
    sasl_plain,
)
from tests.support import cheap_keys

CAP = "draft/account-registration"
REGISTRATION = RegistrationSettings(reserved_names=frozenset({"admin"}))


def open_room(registration: RegistrationSettings = REGISTRATION, **settings: Any) -> RoomUnderTest:
    room = RoomUnderTest(registration=registration, **settings)
    room.register_accounts()
    return room


def fail_code(lines: list[str]) -> str:
    """The code of the only line, a FAIL of REGISTER."""
    (line,) = lines
    words = line.split(" ")
    assert words[1:3] == ["FAIL", "REGISTER"]
    return words[3]


def test_a_member_registers_its_nick_and_is_logged_in() -> None:
    room = open_room()
    bob, ann = room.join("Bob"), room.join("ann", "account-notify")
    assert bob.send("REGISTER * * sesame-open") == [
        ":irc.test REGISTER SUCCESS Bob :The account is registered",
        ":irc.test 900 Bob Bob!~Bob@192.0.2.1 Bob :You are now logged in as Bob",
    ]
    assert ann.read() == [":Bob!~Bob@192.0.2.1 ACCOUNT Bob"]
    stored = room.accounts_in_database()["bob"]
    assert matches("sesame-open", stored.password)
    assert "sesame" not in stored.password
    assert (stored.name, stored.registered_at, stored.email) == ("Bob", room.now, "")
    assert room.logged == ["192.0.2.1 registered the account Bob"]


def test_the_account_can_be_logged_in_to_and_protects_the_nick() -> None:
    room = open_room()
    bob = room.join("bob")
    bob.send("REGISTER bob * sesame-open")
    room.leave(bob, "gone")
    thief = room.connect()
    assert "433" in thief.codes("NICK bob", "USER b 0 * :b")
    again = room.connect()
    again.send("CAP REQ sasl", "AUTHENTICATE PLAIN")
    assert again.codes(f"AUTHENTICATE {sasl_plain('bob', 'sesame-open')}") == ["900", "903"]
    assert "001" in again.codes("NICK bob", "USER b 0 * :b", "CAP END")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("REGISTER other * sesame-open", "ACCOUNT_NAME_MUST_BE_NICK"),
        ("REGISTER * * short", "WEAK_PASSWORD"),
        ("REGISTER * * bobbobbob1", "WEAK_PASSWORD"),
        (f"REGISTER * * {'x1y' * 101}", "UNACCEPTABLE_PASSWORD"),
        ("REGISTER * nonsense sesame-open", "INVALID_EMAIL"),
    ],
)
def test_what_is_refused(line: str, code: str) -> None:
    room = open_room()
    bob = room.join("bob")
    assert fail_code(bob.send(line)) == code
    assert not room.accounts_in_database()
    assert "SUCCESS" in bob.send("REGISTER * * sesame-open")[0]


@pytest.mark.parametrize(
    ("nick", "code"),
    [
        ("admin", "BAD_ACCOUNT_NAME"),
        ("CHIEF", "BAD_ACCOUNT_NAME"),
        ("conf", "ACCOUNT_EXISTS"),
        ("dropped", "ACCOUNT_EXISTS"),
    ],
)
def test_names_that_cannot_be_registered(nick: str, code: str) -> None:
    accounts = {"conf": Account("conf", local_user="conf")}
    room = open_room(accounts=accounts, opers={"chief": "secret"})
    room.state.accounts.put(RegisteredAccount("dropped", registered_at=1.0, is_dropped=True))
    client = room.join(nick, local_user="conf" if nick == "conf" else "")
    assert fail_code(client.send("REGISTER * * sesame-open")) == code


def test_an_email_address_is_kept_if_one_is_required() -> None:
    room = open_room(replace(REGISTRATION, requires_email=True))
    bob = room.join("bob")
    assert fail_code(bob.send("REGISTER * * sesame-open")) == "INVALID_EMAIL"
    bob.send("REGISTER * bob@example.org sesame-open")
    assert room.accounts_in_database()["bob"].email == "bob@example.org"


def test_a_member_with_an_account_needs_no_other() -> None:
    room = open_room()
    bob = room.join("bob")
    bob.send("REGISTER * * sesame-open")
    assert fail_code(bob.send("REGISTER * * sesame-open")) == "ALREADY_AUTHENTICATED"
    assert "ALREADY_AUTHENTICATED" in bob.send("VERIFY bob 123")[0]


def test_no_code_is_ever_needed() -> None:
    assert open_room().join("bob").send("VERIFY bob 123") == [
        ":irc.test FAIL VERIFY INVALID_CODE bob :No account waits for a code"
    ]


def test_the_nick_of_another_client_cannot_be_registered() -> None:
    """Neither that of a member, nor that of a client that is about to be one."""
    room = open_room(replace(REGISTRATION, before_connect=True))
    room.join("root")
    early = room.connect()
    early.send("NICK early")
    for nick in ("root", "early"):
        client = room.connect()
        assert client.codes(f"NICK {nick}") == ["433"]
        assert fail_code(client.send("REGISTER * * sesame-open")) == "ACCOUNT_EXISTS"
        client.send("NICK free")
        assert fail_code(client.send(f"REGISTER {nick} * sesame-open")) == (
            "ACCOUNT_NAME_MUST_BE_NICK"
        )
        client.send("QUIT")
        room.leave(client, "gone")


def test_before_the_connection_is_complete() -> None:
    room = open_room(replace(REGISTRATION, before_connect=True))
    client = room.connect()
    assert fail_code(client.send("REGISTER * * sesame-open")) == "NEED_NICK"
    client.send("NICK bob")
    assert client.codes("REGISTER * * sesame-open") == ["REGISTER", "900"]
    assert "001" in client.codes("USER b 0 * :b")
    assert client.member.account == "bob"


@pytest.mark.parametrize("settings", [{}, {"password": "secret"}], ids=["off", "server password"])
def test_registration_can_need_a_complete_connection(settings: dict[str, Any]) -> None:
    """An account takes the place of the server password, so the password comes first."""
    early = replace(REGISTRATION, before_connect=bool(settings))
    client = open_room(early, **settings).connect()
    client.send("NICK bob")
    assert fail_code(client.send("REGISTER * * sesame-open")) == "COMPLETE_CONNECTION_REQUIRED"


@pytest.mark.parametrize(
    ("registration", "word"),
    [
        (REGISTRATION, CAP),
        (replace(REGISTRATION, before_connect=True), f"{CAP}=before-connect"),
        (replace(REGISTRATION, requires_email=True), f"{CAP}=email-required"),
        (
            replace(REGISTRATION, before_connect=True, requires_email=True),
            f"{CAP}=before-connect,email-required",
        ),
    ],
)
def test_the_capability(registration: RegistrationSettings, word: str) -> None:
    client = open_room(registration).connect()
    assert word in " ".join(client.send("CAP LS 302")).split()
    assert "ACK" in client.send(f"CAP REQ {CAP}")[0]


def test_nothing_is_offered_without_registration() -> None:
    room = RoomUnderTest()
    client = room.connect()
    assert CAP not in " ".join(client.send("CAP LS 302"))
    assert fail_code(room.join("bob").send("REGISTER * * sesame-open")) == "DISALLOWED"


def test_registration_makes_the_passwords_of_sasl_available() -> None:
    client = open_room().connect()
    assert "sasl=PLAIN,SCRAM-SHA-256" in " ".join(client.send("CAP LS 302")).split()


def test_a_reload_announces_registration() -> None:
    room = RoomUnderTest()
    client = room.join("bob", "cap-notify")
    settings = replace(room.state.settings, registration=REGISTRATION)
    room.apply(room.core.configure(settings, room.now))
    line = find_line(client.read(), "CAP bob NEW")
    assert CAP in line.split()


def test_an_account_that_cannot_be_stored_is_not_registered() -> None:
    room = open_room()
    bob = room.join("bob")
    room.database_fails = True
    assert fail_code(bob.send("REGISTER * * sesame-open")) == "TEMPORARILY_UNAVAILABLE"
    assert not bob.member.account
    assert not room.state.accounts.is_taken("bob")
    room.database_fails = False
    assert not room.accounts_in_database()
    assert "SUCCESS" in bob.send("REGISTER * * sesame-open")[0]


def test_nothing_is_registered_while_the_accounts_are_not_known() -> None:
    room = RoomUnderTest(registration=REGISTRATION)
    bob = room.join("bob")
    assert fail_code(bob.send("REGISTER * * sesame-open")) == "TEMPORARILY_UNAVAILABLE"


def test_too_many_waiting_passwords() -> None:
    room = open_room()
    bob = room.join("bob")
    room.verdict = Verdict.UNCHECKED
    assert fail_code(bob.send("REGISTER * * sesame-open")) == "TEMPORARILY_UNAVAILABLE"
    assert not room.state.accounts.is_taken("bob")


def test_the_number_of_accounts_is_bounded() -> None:
    room = open_room(replace(REGISTRATION, max_accounts=2, burst=10))
    for nick in ("ann", "bob"):
        assert "SUCCESS" in room.join(nick).send("REGISTER * * sesame-open")[0]
    carl = room.join("carl")
    assert fail_code(carl.send("REGISTER * * sesame-open")) == "TEMPORARILY_UNAVAILABLE"


def test_an_address_cannot_register_many_accounts() -> None:
    room = open_room(replace(REGISTRATION, burst=2, interval_s=600))
    replies = [room.join(f"user{n}").send("REGISTER * * sesame-open")[0] for n in range(3)]
    assert ["SUCCESS" in reply for reply in replies] == [True, True, False]
    assert "SUCCESS" in room.join("far", host="198.51.100.1").send("REGISTER * * sesame-open")[0]
    room.now += 600
    assert "SUCCESS" in room.join("user3").send("REGISTER * * sesame-open")[0]


class SlowRoom(RoomUnderTest):
    """A room whose work on passwords is done when the test says so."""

    def __init__(self) -> None:
        super().__init__(registration=replace(REGISTRATION, burst=10))
        self.register_accounts()
        self.waiting: list[Verify] = []

    def apply(self, effects: Iterable[Effect]) -> None:
        made = list(effects)
        self.waiting += [effect for effect in made if isinstance(effect, Verify)]
        super().apply(effect for effect in made if not isinstance(effect, Verify))

    def finish(self) -> None:
        """Do the work that waits longest."""
        super().apply([self.waiting.pop(0)])


def test_two_registrations_of_one_name_in_one_turn() -> None:
    """The first client leaves the nick, and the second one takes it, before there is an account."""
    slow = SlowRoom()
    first = slow.join("bob")
    first.send("REGISTER * * sesame-open")
    slow.core.leave(first.client, "gone", slow.now)
    second = slow.join("bob")
    second.send("REGISTER * * another-word")
    slow.finish()
    assert not slow.accounts_in_database()  # the first client is gone
    slow.finish()
    assert "SUCCESS" in second.read()[0]
    assert matches("another-word", slow.accounts_in_database()["bob"].password)


def test_a_name_that_is_being_registered_is_taken() -> None:
    slow = SlowRoom()
    first = slow.join("bob")
    first.send("REGISTER * * sesame-open")
    slow.state.members.pop("bob")  # as after a change of nick by an operator
    second = slow.join("bob")
    assert fail_code(second.send("REGISTER * * another-word")) == "ACCOUNT_EXISTS"
    slow.finish()
    assert matches("sesame-open", slow.accounts_in_database()["bob"].password)


def test_the_configuration_takes_the_name_meanwhile() -> None:
    slow = SlowRoom()
    bob = slow.join("bob")
    bob.send("REGISTER * * sesame-open")
    settings = replace(slow.state.settings, accounts={"bob": Account("bob", cheap_keys("other"))})
    slow.core.configure(settings, slow.now)
    slow.finish()
    assert fail_code(bob.read()) == "ACCOUNT_EXISTS"
    assert not slow.accounts_in_database()


def test_a_client_that_leaves_before_its_account_is_stored() -> None:
    slow = SlowRoom()
    bob = slow.join("bob")
    bob.send("REGISTER * * sesame-open")
    slow.core.leave(bob.client, "gone", slow.now)
    slow.finish()
    assert bob.client.state is ClientState.GONE
    assert not slow.state.accounts.is_taken("bob")
    assert not slow.state.accounts.count()


def test_a_label_ties_the_replies_together() -> None:
    room = open_room()
    bob = room.join("bob", "labeled-response", "batch")
    lines = bob.send("@label=x REGISTER * * sesame-open")
    assert lines[0].startswith("@label=x :irc.test BATCH +")
    assert "REGISTER SUCCESS bob" in lines[1]
    assert lines[-1].startswith(":irc.test BATCH -")


def test_the_accounts_continue_in_another_process() -> None:
    room = open_room()
    bob = room.join("bob")
    bob.send("REGISTER * * sesame-open")
    other = RoomUnderTest(registration=REGISTRATION)
    other.adopt_room(room.core.save(), room)
    other.core.configure(room.state.settings, room.now)
    assert list(other.state.accounts.registered()) == list(room.state.accounts.registered())
    assert other.state.accounts.is_open
    closed = RoomUnderTest()
    closed.adopt_room(RoomUnderTest().core.save(), room)
    assert not closed.state.accounts.is_open
