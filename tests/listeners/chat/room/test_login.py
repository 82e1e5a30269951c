"""Logging in without a password, and what others see of a login."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from netd.listeners.chat.room.effect import Verify
from netd.listeners.chat.room.settings import Account
from tests.listeners.chat.room.hall import Guest, Hall

PRINT, OTHER_PRINT = "ab" * 32, "cd" * 32
ACCOUNTS = {
    "anna": Account("Anna", "sesame", host="staff.example"),
    "bot": Account("Bot", fingerprints=frozenset({PRINT}), local_user="daemon"),
    "bot2": Account("Bot2", fingerprints=frozenset({PRINT})),
}
FAILED = ":irc.test 904 * :SASL authentication failed"


def external(guest: Guest, wanted: str = "") -> list[str]:
    guest.say("CAP REQ sasl")
    said = base64.b64encode(wanted.encode()).decode() or "+"
    return guest.say("AUTHENTICATE EXTERNAL", f"AUTHENTICATE {said}")[1:]


def plain(guest: Guest, name: str, password: str) -> list[str]:
    said = base64.b64encode(f"\0{name}\0{password}".encode()).decode()
    return guest.say("AUTHENTICATE PLAIN", f"AUTHENTICATE {said}")


def account_of(guest: Guest) -> str:
    return guest.member.account


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
    guest = Hall(accounts=ACCOUNTS).connect(**about)
    answer = external(guest, wanted)
    assert account_of(guest) == account
    assert (answer == [FAILED]) == (not account)


def test_mechanisms_are_those_the_client_can_use() -> None:
    hall = Hall(accounts=ACCOUNTS)
    assert "sasl=PLAIN " in hall.connect().say("CAP LS 302")[1] + " "
    assert "sasl=PLAIN,EXTERNAL" in hall.connect(fingerprint=PRINT).say("CAP LS 302")[1]
    bare = Hall()
    assert "sasl=EXTERNAL" in bare.connect(local_user="ulf").say("CAP LS 302")[1]
    assert "sasl" not in " ".join(bare.connect().say("CAP LS 302"))


def test_an_account_without_a_password_takes_none() -> None:
    guest = Hall(accounts=ACCOUNTS).connect()
    guest.say("CAP REQ sasl")
    assert plain(guest, "bot", "")[-1] == FAILED
    assert plain(guest, "nobody", "sesame")[-1] == FAILED
    assert account_of(guest) == ""


@pytest.mark.parametrize("said", ["²", "x", "=", "/w=="])  # no ASCII, no base64, no UTF-8
def test_what_is_no_login_is_refused(said: str) -> None:
    guest = Hall(accounts=ACCOUNTS).connect()
    guest.say("CAP REQ sasl", "AUTHENTICATE PLAIN")
    assert guest.say(f"AUTHENTICATE {said}") == [FAILED]


def test_whois_shows_the_certificate_to_its_owner_alone() -> None:
    hall = Hall()
    ann, bob = hall.join("ann", fingerprint=PRINT), hall.join("bob")
    shown = f":irc.test 276 ann ann :has client certificate fingerprint {PRINT}"
    assert shown in ann.say("WHOIS ann")
    assert not [line for line in bob.say("WHOIS ann") if " 276 " in line]


def test_a_login_changes_the_host_others_see() -> None:
    hall = Hall(accounts=ACCOUNTS)
    ann = hall.join("ann", "sasl", "chghost")
    new, old, outside = hall.join("new", "chghost"), hall.join("old"), hall.join("out", "chghost")
    outside.say("PART #room")
    for each in (ann, new, old):
        each.read()
    answer = plain(ann, "anna", "sesame")
    assert ":irc.test 396 ann staff.example :is now your visible host" in answer
    assert ":ann!~ann@192.0.2.1 CHGHOST ~ann staff.example" in answer
    assert new.read() == [":ann!~ann@192.0.2.1 CHGHOST ~ann staff.example"]
    assert old.read() == outside.read() == []
    ann.say("PRIVMSG #room :hi")
    assert old.read() == [":ann!~ann@staff.example PRIVMSG #room :hi"]
    assert " 338 ann ann 192.0.2.1 :" in "".join(ann.say("WHOIS ann"))
    seen = old.say("WHOIS ann", "WHO ann", "USERHOST ann")
    assert not [line for line in seen if "192.0.2.1" in line]


def test_a_login_before_registration_shows_the_host_from_the_start() -> None:
    hall = Hall(accounts=ACCOUNTS)
    old, ann = hall.join("old", "chghost"), hall.connect()
    ann.say("CAP REQ sasl")
    plain(ann, "anna", "sesame")
    ann.say("NICK ann", "USER ann 0 * :ann", "CAP END", "JOIN #room")
    assert old.read() == [":ann!~ann@staff.example JOIN #room"]


def test_a_shown_host_is_no_way_around_a_ban() -> None:
    hall = Hall(accounts=ACCOUNTS)
    op, ann = hall.join("op"), hall.join("ann", "sasl", channel="")
    plain(ann, "anna", "sesame")
    op.say("MODE #room +b *!*@192.0.2.1")
    assert ann.codes("JOIN #room") == ["474"]
    op.say("MODE #room -b *!*@192.0.2.1", "MODE #room +b *!*@staff.example")
    assert ann.codes("JOIN #room") == ["474"]


@pytest.mark.parametrize("guess", ["OPER root guess", "OPER nobody guess", "OPER nobody toor"])
def test_who_guesses_passwords_is_put_out(guess: str) -> None:
    hall = Hall(opers={"root": "toor"})
    bob, eve = hall.join("bob"), hall.join("eve")
    bob.read()
    assert eve.codes(*[guess] * 4) == ["464"] * 4
    wrong, farewell = eve.say(guess)
    assert " 464 " in wrong
    assert farewell == "ERROR :Closing link: 192.0.2.1 (Too many failed logins)"
    assert eve.closed == "Too many failed logins"
    assert bob.read() == [":eve!~eve@192.0.2.1 QUIT :Too many failed logins"]


def test_operators_names_cannot_be_told_by_how_long_an_answer_takes() -> None:
    hall = Hall(opers={"root": "toor"})
    eve = hall.join("eve")
    for name in ("root", "nobody"):
        effects = hall.room.receive(eve.member, f"OPER {name} guess".encode(), hall.now)
        assert [type(each) for each in effects] == [Verify]
        hall.carry_out(effects)


def test_an_operator_without_a_password_is_none() -> None:
    assert Hall(opers={"root": ""}).join("eve").codes("OPER root :") == ["464"]


def test_who_guesses_before_it_is_registered_is_put_out_as_well() -> None:
    guest = Hall(accounts=ACCOUNTS).connect()
    guest.say("CAP REQ sasl")
    for _ in range(5):
        assert not guest.closed
        plain(guest, "anna", "guess")
    assert guest.closed == "Too many failed logins"


def test_who_asked_is_told_when_logging_in_becomes_possible_or_impossible() -> None:
    hall = Hall()
    asking, silent, early = hall.connect(), hall.join("silent"), hall.connect()
    asking.say("CAP LS 302", "NICK asking", "USER a 0 * :a", "CAP END")
    early.say("CAP LS 302")
    without = hall.room.settings

    def reload(accounts: dict[str, Account]) -> list[str]:
        settings = replace(without, accounts=accounts)
        hall.carry_out(hall.room.configure(settings, hall.now))
        return asking.read()

    assert reload(ACCOUNTS) == [":irc.test CAP asking NEW sasl=PLAIN"]
    assert early.read() == [":irc.test CAP * NEW sasl=PLAIN"]
    assert reload(ACCOUNTS) == []
    asking.say("CAP REQ sasl")
    assert reload({}) == [":irc.test CAP asking DEL sasl"]
    assert asking.say("CAP LIST") == [":irc.test CAP asking LIST cap-notify"]
    assert silent.read() == []
