from __future__ import annotations

import base64

import pytest

from netd.listeners.chat.room.settings import Account, Limits
from netd.protocols.password import hash_password
from tests.listeners.chat.room.room_under_test import RoomUnderTest

PASSWORD = hash_password("sesame", b"0123456789abcdef")
ACCOUNTS = {"alice": Account("Alice", PASSWORD)}


def plain(name: str, password: str) -> str:
    return base64.b64encode(f"\0{name}\0{password}".encode()).decode()


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


def test_a_nick_is_unique_in_any_case() -> None:
    room = RoomUnderTest()
    room.join("alice")
    other = room.connect()
    assert other.codes("NICK ALICE") == ["433"]
    assert other.codes("NICK 1abc") == ["432"]
    assert other.codes("NICK") == ["431"]


def test_a_capability_request_is_granted_whole_or_not_at_all() -> None:
    client = RoomUnderTest().connect()
    assert client.send("CAP REQ :batch nonsense") == [":irc.test CAP * NAK :batch nonsense"]
    assert client.send("CAP REQ :batch setname") == [":irc.test CAP * ACK :batch setname"]
    assert client.send("CAP REQ -batch") == [":irc.test CAP * ACK -batch"]
    assert client.send("CAP LIST")[0].endswith("CAP * LIST setname")
    assert client.codes("CAP NONSENSE") == ["410"]


def test_a_join_is_sent_in_the_form_that_a_client_requested() -> None:
    room = RoomUnderTest(accounts=ACCOUNTS)
    bare, extended = room.join("bare"), room.join("extended", "extended-join")
    room.join("alice", "sasl", channel="").send(
        "AUTHENTICATE PLAIN", f"AUTHENTICATE {plain('alice', 'sesame')}", "JOIN #room"
    )
    assert bare.read() == [":alice!~alice@192.0.2.1 JOIN #room"]
    assert extended.read() == [":alice!~alice@192.0.2.1 JOIN #room Alice :alice real"]


@pytest.mark.parametrize(
    ("said", "codes"),
    [
        (plain("alice", "sesame"), ["900", "903"]),
        (plain("ALICE", "sesame"), ["900", "903"]),
        (plain("alice", "wrong"), ["904"]),
        (plain("nobody", ""), ["904"]),
        ("!!!", ["904"]),
        ("x" * 401, ["905"]),
        ("*", ["906"]),
    ],
)
def test_sasl_plain(said: str, codes: list[str]) -> None:
    client = RoomUnderTest(accounts=ACCOUNTS).connect()
    client.send("CAP REQ sasl")
    assert client.send("AUTHENTICATE PLAIN") == [":irc.test AUTHENTICATE +"]
    assert client.codes(f"AUTHENTICATE {said}") == codes


def test_external_is_offered_to_local_users() -> None:
    room = RoomUnderTest()
    local = room.connect("localhost", local_user="bob")
    local.send("CAP REQ sasl", "AUTHENTICATE EXTERNAL")
    assert local.send("AUTHENTICATE +")[0].endswith("bob :You are now logged in as bob")
    remote = RoomUnderTest(accounts=ACCOUNTS).connect()
    remote.send("CAP REQ sasl")
    assert remote.codes("AUTHENTICATE EXTERNAL") == ["908", "904"]


def test_a_local_users_name_has_no_tilde() -> None:
    client = RoomUnderTest().join("bob", host="localhost", local_user="robert")
    assert client.member.prefix == "bob!robert@localhost"
    assert RoomUnderTest().join("eve").member.prefix == "eve!~eve@192.0.2.1"


def test_names_show_hosts_and_all_prefixes_where_requested() -> None:
    room = RoomUnderTest()
    op = room.join("op")
    op.send("MODE #room +v op")
    full = room.join("full", "userhost-in-names", "multi-prefix")
    assert full.send("NAMES #room")[0].endswith(":@+op!~op@192.0.2.1 full!~full@192.0.2.1")
    assert op.send("NAMES #room")[0].endswith("@op full")


def test_an_invitation_is_shown_to_operators_with_invite_notify() -> None:
    room = RoomUnderTest()
    op = room.join("op", "invite-notify")
    other = room.join("other", "invite-notify")
    client = room.join("guest", channel="")
    op.send("MODE #room +io other")
    other.read()
    assert client.codes("JOIN #room") == ["473"]
    assert op.codes("INVITE guest #room") == ["341"]
    invitation = ":op!~op@192.0.2.1 INVITE guest #room"
    assert other.read() == [invitation]
    assert client.read() == [invitation]
    assert client.codes("JOIN #room")[0] == "JOIN"


def test_only_an_operators_invitation_overrides_the_modes() -> None:
    room = RoomUnderTest()
    op, other = room.join("op"), room.join("other")
    client = room.join("guest", channel="")
    op.send("MODE #room +bk guest!*@* key")
    other.read()
    assert other.codes("INVITE guest #room") == ["341"]
    assert client.read() == [":other!~other@192.0.2.1 INVITE guest #room"]
    assert client.codes("JOIN #room") == ["475"]
    assert client.codes("JOIN #room key") == ["474"]
    assert op.codes("INVITE guest #room") == ["341"]
    client.read()
    assert client.codes("JOIN #room")[0] == "JOIN"


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


def test_a_reload_keeps_all_members_and_the_channel() -> None:
    room = RoomUnderTest(channel="#lounge", topic="be kind")
    alice = room.join("alice", channel="#lounge")
    alice.send("PART #lounge")
    assert "#lounge" in room.state.channels
    room.core.configure(room.state.settings.__class__("new.test"), room.now)
    assert "#lounge" not in room.state.channels
    assert alice.send("PING x") == [":new.test PONG new.test x"]


@pytest.mark.parametrize(
    ("limits", "lines", "code"),
    [
        (Limits(channels_per_member=1), ["JOIN #two"], "405"),
        (Limits(channels=1), ["JOIN #two"], "405"),
        (Limits(list_entries=1), ["MODE #room +bb a b"], "478"),
        (Limits(monitored=1), ["MONITOR + a,b"], "734"),
        (Limits(nick_chars=9), ["NICK tencharact"], "432"),
        (Limits(channel_chars=5), ["JOIN #toolong"], "403"),
        (Limits(key_chars=3), ["MODE #room +k long"], "525"),
    ],
)
def test_every_limit_has_its_error_reply(limits: Limits, lines: list[str], code: str) -> None:
    assert code in RoomUnderTest(limits=limits).join("alice").codes(*lines)


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


def test_monitor_notifies_about_arrivals_and_departures() -> None:
    room = RoomUnderTest()
    watcher = room.join("watcher", channel="")
    assert watcher.codes("MONITOR + friend") == ["731"]
    friend = room.connect()
    friend.send("NICK friend", "USER friend 0 * :friend")
    assert watcher.read() == [":irc.test 730 watcher friend!~friend@192.0.2.1"]
    friend.send("NICK stranger")
    assert watcher.read() == [":irc.test 731 watcher friend"]
    assert watcher.codes("MONITOR - friend", "MONITOR L") == ["733"]
    assert room.state.watchers == {}
