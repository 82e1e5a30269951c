"""NickServ, for clients that have neither SASL nor REGISTER."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from netd.listeners.chat.room.accounts import RegisteredAccount
from netd.listeners.chat.room.settings import Account, RegistrationSettings, RoomLimits
from netd.protocols.password import Verdict, matches
from tests.listeners.chat.room.room_under_test import FakeClient, RoomUnderTest, sasl_plain
from tests.support import cheap_hash, cheap_keys

KEYS = cheap_keys("sesame-open")
SET_SYNTAX = "Syntax: SET PASSWORD <current> <new> | ALWAYS-ON ON|OFF|DEFAULT | MULTICLIENT ON|OFF"
PRINT = "ab" * 32


def open_room(*names: str, **settings: Any) -> RoomUnderTest:
    """A room in which these accounts are registered."""
    room = RoomUnderTest(**{"registration": RegistrationSettings(), **settings})
    accounts = [RegisteredAccount(name, KEYS, room.now) for name in names]
    room.register_accounts(*accounts)
    return room


def account_of(client: FakeClient) -> str:
    return client.member.account


def ask(client: FakeClient, text: str) -> list[str]:
    """What NickServ says to a message; other lines are left out."""
    lines = client.send(f"PRIVMSG NickServ :{text}")
    source = ":NickServ!NickServ@irc.test NOTICE "
    return [line.partition(" :")[2] for line in lines if line.startswith(source)]


def owner(room: RoomUnderTest, name: str = "bob", **about: str) -> FakeClient:
    """A member that is logged in."""
    client = room.join("guest", **about)
    ask(client, f"IDENTIFY {name} sesame-open")
    ask(client, "REGAIN")
    assert client.member.nick == client.member.account == name
    return client


def test_a_member_registers_identifies_and_has_its_nick_again() -> None:
    room = open_room()
    bob = room.join("bob")
    assert ask(bob, "REGISTER sesame-open") == ["The account bob is registered"]
    assert account_of(bob) == "bob"
    room.leave(bob, "gone")
    again = room.join("guest")
    assert ask(again, "IDENTIFY bob sesame-open") == [
        "You are now logged in to the account bob",
        "REGAIN gives you the nick of the account",
    ]
    assert ask(again, "REGAIN") == ["You have the nick bob"]
    assert again.member.nick == "bob"


@pytest.mark.parametrize(
    "text", ["PRIVMSG nickserv :INFO bob", "NS INFO bob", "NICKSERV :info bob"]
)
def test_the_ways_to_it(text: str) -> None:
    (line,) = open_room("bob").join("ann").send(text)
    source = ":NickServ!NickServ@irc.test NOTICE ann"
    assert line == f"{source} :bob was registered 2023-11-15 12:00:00 UTC"


def test_login_is_seen_by_others() -> None:
    room = open_room("bob")
    ann, bob = room.join("ann", "account-notify"), room.join("guest")
    lines = bob.send("NS IDENTIFY bob sesame-open")
    assert " 900 " in lines[0]
    assert ann.read() == [":guest!~guest@192.0.2.1 ACCOUNT bob"]


@pytest.mark.parametrize("text", ["IDENTIFY bob wrong", "IDENTIFY nobody sesame-open"])
def test_guesses_are_refused_alike_and_counted(text: str) -> None:
    room = open_room("bob")
    client = room.join("guest")
    reply = ["There is no such account, or its password is another one"]
    for _ in range(4):
        assert ask(client, text) == reply
    assert ask(client, text) == reply
    assert client.closed == "Too many failed logins"


def test_a_configured_account_can_be_identified_to_but_not_changed() -> None:
    room = open_room(accounts={"bob": Account("bob", cheap_hash("sesame"))})
    bob = room.join("guest")
    ask(bob, "IDENTIFY bob sesame")
    assert account_of(bob) == "bob"
    refusal = [
        "Your account is part of the server's configuration, which its administrator changes"
    ]
    for text in ("SET PASSWORD sesame another-word", "DROP bob sesame", "CERT ADD"):
        assert ask(bob, text) == refusal
    assert not room.accounts_in_database()


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("", "Commands, as in /msg NickServ HELP REGISTER:"),
        ("NONSENSE", "There is no command NONSENSE; HELP shows all"),
        ("REGISTER", "Syntax: REGISTER <password> [<e-mail>]"),
        ("SET", SET_SYNTAX),
        ("SET MULTICLIENT", "You have to log in first: IDENTIFY [<account>] <password>"),
        ("SET PASSWORD a b", "You have to log in first: IDENTIFY [<account>] <password>"),
        ("LIST", "There is no command LIST; HELP shows all"),
        ("HELP IDENTIFY", "IDENTIFY [<account>] <password>: logs you in to an account"),
        ("INFO nobody", "There is no account nobody"),
        ("REGISTER short", "A password has at least 8 characters"),
        ("IDENTIFY sesame", "There is no such account, or its password is another one"),
    ],
)
def test_replies_to_a_guest(text: str, reply: str) -> None:
    assert ask(open_room("bob").join("guest"), text or " ")[0] == reply


def test_a_ctcp_and_a_notice_get_no_reply() -> None:
    client = open_room().join("guest")
    assert client.send("PRIVMSG NickServ :\x01VERSION\x01", "NOTICE NickServ :HELP") == []


def test_no_member_can_have_the_nick_of_a_service() -> None:
    room = RoomUnderTest()
    assert "433" in room.join("ann").codes("NICK NickServ")
    assert "433" in room.connect().codes("NICK chanserv", "USER c 0 * :c")


def test_a_password_in_a_message_reaches_nobody_else() -> None:
    room = open_room("bob")
    client, ann = room.join("guest", "echo-message"), room.join("ann")
    lines = client.send("PRIVMSG NickServ :IDENTIFY bob sesame-open")
    assert not any("sesame" in line for line in [*lines, *ann.read()])
    assert not room.state.private_histories


def test_a_new_password() -> None:
    room = open_room("bob")
    bob = owner(room)
    assert ask(bob, "SET PASSWORD wrong-one another-word") == [
        "There is no such account, or its password is another one"
    ]
    assert ask(bob, "SET PASSWORD sesame-open short") == ["A password has at least 8 characters"]
    assert ask(bob, "SET PASSWORD another-word")[0].startswith("Syntax: SET PASSWORD")
    assert ask(bob, "SET PASSWORD sesame-open another-word") == ["The password is changed"]
    assert matches("another-word", room.accounts_in_database()["bob"].password)
    other = room.join("other")
    ask(other, "IDENTIFY bob sesame-open")
    assert not account_of(other)
    ask(other, "IDENTIFY bob another-word")
    assert account_of(other) == "bob"


def test_a_change_that_cannot_be_stored_is_taken_back() -> None:
    room = open_room("bob")
    bob = owner(room)
    before = room.state.accounts.find("bob")
    room.database_fails = True
    refusal = ["The account could not be stored; nothing was changed"]
    for text in (
        "SET PASSWORD sesame-open another-word",
        "SET ALWAYS-ON ON",
        "DROP bob sesame-open",
    ):
        assert ask(bob, text) == refusal
    room.database_fails = False
    assert room.state.accounts.find("bob") == before
    assert room.accounts_in_database()["bob"].account == before
    assert account_of(bob) == "bob"


@pytest.mark.parametrize(("word", "value"), [("on", True), ("OFF", False), ("default", None)])
def test_always_on_is_a_setting(word: str, value: object) -> None:
    room = open_room("bob")
    bob = owner(room)
    ask(bob, "SET ALWAYS-ON ON")
    ask(bob, f"SET ALWAYS-ON {word}")
    assert room.accounts_in_database()["bob"].always_on is value


def test_an_account_can_have_a_nick_for_each_client() -> None:
    room = open_room("bob", "carl")
    bob = owner(room)
    assert "001" in login_codes(room, "bob")
    assert ask(bob, "SET MULTICLIENT") == [SET_SYNTAX]
    ask(bob, "SET MULTICLIENT OFF")
    assert len(bob.member.clients) == 2
    assert "433" in login_codes(room, "bob")
    carl = owner(room, "carl")
    assert "001" in login_codes(room, "carl")
    assert len(carl.member.clients) == 2
    assert "Several clients with your nick: off" in ask(bob, "INFO")
    ask(bob, "SET MULTICLIENT ON")
    assert "001" in login_codes(room, "bob")
    assert len(bob.member.clients) == 3


def login_codes(room: RoomUnderTest, name: str) -> list[str]:
    """The numerics for a new client with a nick, which logs in to the account of that name."""
    client = room.connect()
    plain = sasl_plain(name, "sesame-open")
    return client.codes(
        *("CAP REQ sasl", f"NICK {name}", f"USER {name} 0 * :x", "AUTHENTICATE PLAIN"),
        *(f"AUTHENTICATE {plain}", "CAP END"),
    )


def test_regain_joins_a_member_without_a_client() -> None:
    room = open_room("bob")
    room.join("ann", channel="#a")
    bob = owner(room)
    bob.send("JOIN 0", "JOIN #a", "NS SET ALWAYS-ON ON")
    member = bob.member
    room.leave(bob, "gone")
    assert member.away
    late = room.join("late", channel="#b")
    ask(late, "IDENTIFY bob sesame-open")
    lines = late.send("NS REGAIN bob")
    assert late.member is member
    assert not member.away
    assert [*member.channels] == ["#a", "#b"]
    assert room.state.members["bob"] is member
    assert "late" not in room.state.members
    assert any(" JOIN #a" in line for line in lines)
    assert room.state.channels["#b"].is_op(member)


def test_regain_leaves_channels_that_would_be_too_many() -> None:
    room = open_room("bob", limits=RoomLimits(channels_per_member=2))
    bob = owner(room)
    bob.send("JOIN 0", "JOIN #a,#b")
    late = room.join("late", channel="#b")
    late.send("JOIN #c")
    ask(late, "IDENTIFY bob sesame-open")
    lines = late.send("REGAIN bob")
    assert late.member is bob.member
    assert [*bob.member.channels] == ["#a", "#b"]
    assert ":late!~late@192.0.2.1 PART #c" in lines
    assert "#c" not in room.state.channels


def test_regain_brings_along_what_could_be_read() -> None:
    room = open_room("bob")
    room.join("ann", channel="#a").send("MODE #a +k key")
    bob, late = owner(room), room.join("late")
    late.send("JOIN #a key")
    room.join("carl").send("JOIN #a key", "PRIVMSG #a :between")
    ask(late, "IDENTIFY bob sesame-open")
    late.send("REGAIN bob")
    assert any(" :between" in line for line in bob.send("CHATHISTORY LATEST #a * 10"))


def test_a_dropped_account_logs_out_and_its_name_stays_reserved() -> None:
    room = open_room("bob")
    bob, ann = owner(room), room.join("ann", "account-notify")
    assert ask(bob, "DROP bob wrong-one")
    assert ask(bob, "DROP ann sesame-open") == ["You are logged in to the account bob, not ann"]
    assert account_of(bob) == "bob"
    lines = bob.send("NS DROP bob sesame-open")
    assert " 901 " in lines[0]
    assert not account_of(bob)
    assert ann.read() == [":bob!~guest@192.0.2.1 ACCOUNT *"]
    assert ask(bob, "REGISTER sesame-open") == ["The name belongs to an account"]
    assert ask(bob, "IDENTIFY bob sesame-open")
    assert not account_of(bob)
    assert not room.accounts_in_database()["bob"].password


def test_a_certificate_is_added_by_the_client_that_has_it() -> None:
    room = open_room("bob")
    bob = owner(room)
    assert ask(bob, f"CERT ADD {PRINT}")[0].startswith("Your client has shown no certificate")
    room.leave(bob, "gone")
    bob = owner(room, fingerprint=PRINT)
    assert ask(bob, "CERT LIST") == ["No certificate logs in to your account"]
    assert ask(bob, "CERT ADD") == ["The certificate logs in to your account from now on"]
    assert ask(bob, "CERT ADD") == ["The certificate logs in to an account already"]
    assert ask(bob, "CERT LIST") == [PRINT]
    room.leave(bob, "gone")
    again = room.connect(fingerprint=PRINT)
    again.send("CAP REQ sasl", "AUTHENTICATE EXTERNAL")
    assert again.codes("AUTHENTICATE +") == ["900", "903"]
    again.send("NICK bob", "USER b 0 * :b", "CAP END")
    colons = ":".join(PRINT[i : i + 2].upper() for i in range(0, 64, 2))
    assert ask(again, f"CERT DEL {colons}") == ["The certificate is removed"]
    assert ask(again, f"CERT DEL {PRINT}")[0].startswith("No such certificate")


def test_the_certificate_of_another_account_cannot_be_added() -> None:
    accounts = {"carl": Account("carl", fingerprints=frozenset({PRINT}))}
    room = open_room("bob", accounts=accounts)
    bob = owner(room, fingerprint=PRINT)
    assert ask(bob, "CERT ADD") == ["The certificate logs in to an account already"]


def test_ghost_and_regain() -> None:
    room = open_room("bob")
    bob, other = owner(room), room.join("other")
    assert ask(other, "GHOST bob") == ["You have to log in first: IDENTIFY [<account>] <password>"]
    ask(other, "IDENTIFY bob sesame-open")
    assert ask(other, "GHOST ann") == ["The nick does not belong to your account"]
    assert ask(other, "GHOST bob") == ["bob has been disconnected"]
    assert bob.closed
    assert ask(other, "GHOST bob") == ["No other member has the nick"]
    assert ask(other, "RECOVER bob") == ["You have the nick bob"]


def test_details_are_for_the_owner_and_operators() -> None:
    room = open_room("bob", opers={"chief": "secret"})
    bob, ann = owner(room), room.join("ann")
    assert len(ask(ann, "INFO bob")) == 1
    assert ask(bob, "INFO")[1:] == [
        "E-mail: none",
        "Certificates: 0",
        "Always-on: the server's default",
        "Several clients with your nick: on",
    ]
    ann.send("OPER chief secret")
    assert len(ask(ann, "INFO bob")) == 5


def oper(room: RoomUnderTest) -> FakeClient:
    client = room.join("chief")
    client.send("OPER chief secret")
    return client


def oper_room(*names: str, **settings: Any) -> RoomUnderTest:
    return open_room(*names, opers={"chief": "secret"}, **settings)


def test_an_operator_registers_accounts_also_where_users_cannot() -> None:
    room = oper_room(registration=None)
    chief = oper(room)
    assert ask(chief, "SAREGISTER ann short") == ["A password has at least 8 characters"]
    assert ask(chief, "SAREGISTER ann sesame-open") == ["The account ann is registered"]
    assert ask(chief, "SAREGISTER ann sesame-open") == ["The name belongs to an account"]
    assert not chief.member.account
    ann = room.join("guest")
    ask(ann, "IDENTIFY ann sesame-open")
    assert ann.member.account == "ann"
    assert room.logged[-1] == "operator chief registered the account ann"


def test_an_operator_resets_a_password() -> None:
    room = oper_room("bob")
    chief = oper(room)
    assert ask(chief, "SASET nobody PASSWORD another-word") == [
        "No user has registered an account nobody"
    ]
    assert ask(chief, "SASET bob PASSWORD another-word") == ["The password of bob is changed"]
    assert matches("another-word", room.accounts_in_database()["bob"].password)
    assert room.logged == ["operator chief changed the password of the account bob"]


def test_a_suspended_account_is_disconnected_and_cannot_be_logged_in_to() -> None:
    room = oper_room("bob")
    bob, chief = owner(room), oper(room)
    assert ask(chief, "SUSPEND bob spam in #room") == ["The account bob is suspended"]
    assert bob.closed == "The account is suspended (spam in #room)"
    guest = room.join("guest")
    assert ask(guest, "IDENTIFY bob sesame-open") == ["The account bob is suspended"]
    assert not account_of(guest)
    assert "Suspended: spam in #room" in ask(chief, "INFO bob")
    assert "433" in guest.codes("NICK bob")
    ask(chief, "UNSUSPEND bob")
    ask(guest, "IDENTIFY bob sesame-open")
    assert account_of(guest) == "bob"


def test_an_operator_drops_and_erases_an_account() -> None:
    room = oper_room("bob")
    bob, chief = owner(room), oper(room)
    assert ask(chief, "ERASE bob") == ["The account bob is in use; SADROP drops it"]
    assert ask(chief, "SADROP bob") == ["The account bob is dropped; ERASE makes its name free"]
    assert not account_of(bob)
    assert ask(chief, "ERASE bob") == ["The name bob can be registered again"]
    assert not room.accounts_in_database()
    assert ask(bob, "REGISTER sesame-open") == ["The account bob is registered"]
    assert ask(chief, "ERASE nobody") == ["No reserved name nobody is stored"]


def test_an_operator_lists_accounts() -> None:
    room = oper_room(*(f"user{number}" for number in range(150)), "bob")
    chief = oper(room)
    room.state.accounts.put(replace(RegisteredAccount("bob", KEYS, 1.0), suspended="x"))
    assert ask(chief, "LIST b*") == ["  bob (suspended)", "1 accounts"]
    lines = ask(chief, "LIST")
    assert lines[-1] == "151 accounts, of which 100 are shown"
    assert len(lines) == 101


@pytest.mark.parametrize(
    "text",
    ["SAREGISTER x sesame-open", "SASET bob PASSWORD sesame-open", "SUSPEND bob", "SADROP bob"],
)
def test_other_members_cannot_use_the_commands_of_operators(text: str) -> None:
    room = oper_room("bob")
    client = owner(room)
    assert "There is no command" in ask(client, text)[0]
    assert room.accounts_in_database()["bob"].password == KEYS
    assert list(room.accounts_in_database()) == ["bob"]


@pytest.mark.parametrize(
    "text",
    ["REGISTER sesame-open", "IDENTIFY bob sesame-open", "SET PASSWORD sesame-open another-word"],
)
def test_too_many_waiting_passwords(text: str) -> None:
    room = open_room("bob")
    client = owner(room) if text.startswith("SET") else room.join("guest")
    room.verdict = Verdict.UNCHECKED
    (reply,) = ask(client, text)
    assert "try again later" in reply
    assert list(room.accounts_in_database()) == ["bob"]
    assert not client.client.failed_logins


def test_a_client_that_shares_a_member_cannot_change_its_account() -> None:
    """The other clients have not logged in to that account."""
    room = open_room("bob", "ann")
    bob = owner(room)
    other = room.connect()
    other.send("CAP REQ sasl", "AUTHENTICATE PLAIN")
    other.send(f"AUTHENTICATE {sasl_plain('bob', 'sesame-open')}")
    other.send("NICK bob", "USER b 0 * :b", "CAP END")
    assert other.member is bob.member
    assert ask(other, "IDENTIFY ann sesame-open") == [
        "Other clients share your nick, with the account bob"
    ]
    assert account_of(bob) == "bob"
