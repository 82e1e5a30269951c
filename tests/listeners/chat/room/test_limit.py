"""Limits of what a room keeps, and of what it shows to a member."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netd.listeners.chat.room.history import (
    MAX_CONVERSATIONS,
    PrivateHistory,
    Reference,
    ReferenceKind,
)
from netd.listeners.chat.room.settings import Account, Limits
from netd.protocols.irc import Message
from tests.listeners.chat.room.room_under_test import FakeClient, RoomUnderTest


def find(lines: list[str], what: str) -> str:
    """The only line with this text."""
    found = [line for line in lines if what in line]
    assert len(found) == 1, lines
    return found[0]


def test_the_monitor_list_is_limited_and_can_be_cleared() -> None:
    room = RoomUnderTest(limits=Limits(monitored=2))
    ann, bob = room.join("ann"), room.join("bob")
    assert "carl,dave" in find(ann.send("MONITOR + bob,eve,carl,dave"), " 734 ")
    assert not [line for line in ann.send("MONITOR + not!a!nick") if "not" in line]
    assert "bob" in find(ann.send("MONITOR L"), " 732 ")
    ann.send("MONITOR - bob,unknown")
    bob.send("NICK rob")
    assert not {"730", "731"} & {*ann.codes("MONITOR C", "MONITOR S")}
    room.leave(ann, "gone")
    assert not room.state.watchers


def test_extended_monitor_notifies_about_members_without_a_common_channel() -> None:
    room = RoomUnderTest()
    ann = room.join("ann", "extended-monitor", "away-notify")
    bob = room.join("bob", channel="#other")
    ann.send("MONITOR + bob")
    bob.send("AWAY :lunch")
    assert find(ann.read(), "AWAY").endswith(" AWAY lunch")


def test_the_replies_to_list_are_limited() -> None:
    room = RoomUnderTest(limits=Limits(list_replies=2))
    ann = room.join("ann")
    ann.send("JOIN #b", "JOIN #c")
    assert ann.codes("LIST").count("322") == 2


def test_a_secret_channel_is_listed_to_its_members_and_operators() -> None:
    room = RoomUnderTest(opers={"root": "toor"})
    ann, bob = room.join("ann"), room.join("bob", channel="#other")
    ann.send("MODE #room +s")
    assert "#room" in find(ann.send("LIST"), "#room")
    assert not [line for line in bob.send("LIST") if "#room" in line]
    bob.send("OPER root toor")
    assert [line for line in bob.send("LIST") if "#room" in line]


def test_a_server_operator_operates_a_channel_it_is_not_in() -> None:
    room = RoomUnderTest(opers={"root": "toor"})
    ann, root = room.join("ann"), room.join("root", channel="")
    root.send("OPER root toor", "KICK #room ann :out")
    assert find(ann.read(), "KICK").endswith(" KICK #room ann out")


def test_an_operator_can_kill_itself() -> None:
    root = RoomUnderTest(opers={"root": "toor"}).join("root")
    root.send("OPER root toor", "KILL root :enough")
    assert root.closed == "Killed (root (enough))"


def test_kick_takes_as_many_channels_as_nicks() -> None:
    room = RoomUnderTest()
    ann = room.join("ann")
    bob, carl = room.join("bob"), room.join("carl", channel="#two")
    ann.send("JOIN #two")
    carl.send("MODE #two +o ann")
    ann.send("KICK #room,#two bob,carl")
    assert find(bob.read(), "KICK #room bob").endswith(" ann")
    assert find(carl.read(), "KICK #two carl").endswith(" ann")


def test_many_names_fill_many_lines() -> None:
    room = RoomUnderTest()
    ann = room.join("ann")
    nicks = {f"{'n' * 25}{number}" for number in range(40)}
    for nick in nicks:
        room.join(nick)
    lines = [line for line in ann.send("NAMES #room") if " 353 " in line]
    assert max(map(len, lines)) <= 510
    assert {nick for line in lines for nick in line.rpartition(":")[2].split()} >= nicks


def test_no_reply_loses_long_names() -> None:
    room = RoomUnderTest(limits=Limits(nick_chars=64))
    rooms = [f"#{number}{'ä' * 60}" for number in range(8)]
    ann = room.join(f"ann{'n' * 61}", channel="")
    ann.send(*(f"JOIN {name}" for name in rooms))
    nicks = [ann.member.nick, *(f"{'n' * 60}{number}" for number in range(10, 22))]
    for nick in nicks[1:]:
        room.join(nick, channel=rooms[0])
    for nick in nicks:
        ann.send(f"MONITOR + {nick}")
    for question, code, between, answer in (
        (f"NAMES {rooms[0]}", " 353 ", " ", ["@" + nicks[0], *nicks[1:]]),
        (f"WHOIS {nicks[0]}", " 319 ", " ", ["@" + name for name in rooms]),
        (f"ISON {' '.join(nicks[:7])}", " 303 ", " ", nicks[:7]),
        ("MONITOR L", " 732 ", ",", nicks),
    ):
        lines = [line for line in ann.send(question) if code in line]
        last = [line.rpartition(" :" if " :" in line else " ")[2] for line in lines]
        assert [word for words in last for word in words.split(between)] == answer


def test_long_mode_changes_are_split_among_lines() -> None:
    ann = RoomUnderTest().join("ann", host="a.host." * 9)
    masks = [letter * 150 + "!*@*" for letter in "xyz"]
    lines = ann.send(f"MODE #room +bbb {' '.join(masks)}")
    assert [line.split(" MODE #room ")[1] for line in lines] == [
        f"+bb {masks[0]} {masks[1]}",
        f"+b {masks[2]}",
    ]
    assert ann.codes(f"MODE #room +b {'w' * 200}") == ["696"]
    assert ann.codes("MODE #room +b :two words") == ["696"]


def test_the_oldest_read_marker_is_dropped_past_the_limit() -> None:
    room = RoomUnderTest()
    ann = room.join("ann", "draft/read-marker")
    for number in range(600):
        ann.send(f"MARKREAD user{number} timestamp=2023-11-15T11:00:00.000Z")
    assert find(ann.send("MARKREAD user0"), "MARKREAD").endswith(" *")
    assert find(ann.send("MARKREAD user599"), "MARKREAD").endswith("11:00:00.000Z")


def test_an_older_read_marker_changes_nothing() -> None:
    ann = RoomUnderTest().join("ann", "draft/read-marker")
    for minute in ("30", "10"):
        received = ann.send(f"MARKREAD #room timestamp=2023-11-15T11:{minute}:00.000Z")
        assert find(received, "MARKREAD").endswith("T11:30:00.000Z")


@pytest.mark.parametrize("said", ["SETNAME", "SETNAME :", f"SETNAME :{'x' * 151}"])
def test_an_empty_or_too_long_real_name_is_refused(said: str) -> None:
    ann = RoomUnderTest().join("ann", "setname", "standard-replies")
    assert not [line for line in ann.send(said) if " SETNAME :x" in line]
    assert ann.member.realname == "ann real"


def login_of(room: RoomUnderTest) -> FakeClient:
    client = room.connect()
    client.send("CAP REQ sasl", "AUTHENTICATE PLAIN")
    return client


def test_the_length_of_a_sasl_exchange_is_limited() -> None:
    room = RoomUnderTest(accounts={"anna": Account("anna", "sesame")})
    assert login_of(room).codes(f"AUTHENTICATE {'a' * 401}") == ["905"]
    client = login_of(room)
    for _ in range(40):
        codes = client.codes(f"AUTHENTICATE {'a' * 400}")
        if codes:
            break
    assert codes == ["904"]


def test_an_unknown_sasl_mechanism_is_refused() -> None:
    client = RoomUnderTest(accounts={"anna": Account("anna", "sesame")}).join("ann", "sasl")
    assert client.codes("AUTHENTICATE NONE") == ["908", "904"]


def test_chathistory_is_not_offered_when_no_lines_are_kept() -> None:
    ann = RoomUnderTest(limits=Limits(history_lines=0)).connect()
    ann.send("NICK ann")
    received = ann.send("USER ann 0 * :ann")
    assert not [line for line in received if "CHATHISTORY" in line]
    assert [line for line in received if " 005 " in line]


def test_sts_gives_the_port_without_tls_and_the_duration_with_tls() -> None:
    room = RoomUnderTest(sts_port=6697, sts_duration_s=3600)
    clear, secure = room.connect(), room.connect()
    secure.member.is_secure = True
    assert find(clear.send("CAP LS 302"), "sts=port=6697")
    assert find(secure.send("CAP LS 302"), "sts=duration=3600")
    assert not [line for line in room.connect().send("CAP LS") if "sts" in line]


def test_whois_shows_the_local_user_and_tls() -> None:
    accounts = {"anna": Account("anna", local_user="anna")}
    room = RoomUnderTest(opers={"root": "toor"}, accounts=accounts)
    ann = room.join("ann")
    bob = room.join("bob", local_user="robert")
    bob.member.is_secure = True
    codes = ann.codes("WHOIS bob")
    assert {"320", "671"} <= {*codes}


@pytest.mark.parametrize(
    ("said", "code"), [("HELP COMMANDS", "705"), ("HELP JOIN", "705"), ("HELP nothing", "524")]
)
def test_help(said: str, code: str) -> None:
    assert code in {*RoomUnderTest().join("ann").codes(said), "704"}


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


def test_a_verification_of_a_member_that_has_left_does_nothing() -> None:
    room = RoomUnderTest()
    ann = room.join("ann")
    assert room.core.verified(ann.member, room.now, right=True) == []


def test_an_unknown_command_before_registration_gets_451() -> None:
    assert RoomUnderTest().connect().codes("FROBNICATE") == ["451"]


def test_an_invited_member_that_leaves_is_forgotten() -> None:
    room = RoomUnderTest()
    ann, bob = room.join("ann"), room.join("bob", channel="")
    ann.send("MODE #room +i", "INVITE bob #room")
    assert bob.member in room.state.channels["#room"].invited
    room.leave(bob, "gone")
    assert not room.state.channels["#room"].invited


def test_a_member_that_stops_monitoring_does_not_affect_the_others() -> None:
    room = RoomUnderTest()
    ann, bob = room.join("ann"), room.join("bob")
    for client in (ann, bob):
        client.send("MONITOR + carl")
    ann.send("MONITOR - carl")
    room.connect().send("NICK carl", "USER carl 0 * :carl")
    assert (ann.codes(), bob.codes()) == ([], ["730"])
    room.leave(bob, "gone")
    assert not room.state.watchers


def test_a_notice_from_the_server() -> None:
    room = RoomUnderTest()
    ann = room.join("ann")
    room.apply(room.core.send_notices(ann.member, ["reloaded"], room.now))
    assert find(ann.read(), "NOTICE").endswith(" NOTICE ann :reloaded")


def test_the_oldest_conversation_is_dropped_past_the_limit() -> None:
    history = PrivateHistory(10)
    for number in range(MAX_CONVERSATIONS + 1):
        history.add(f"user{number}", f"User{number}", Message("PRIVMSG", ("ann", "hi")))
    assert len(history.conversations) == MAX_CONVERSATIONS
    assert "user0" not in history.conversations


def test_an_unknown_message_id_is_after_all_messages() -> None:
    log = [Message("PRIVMSG", ("#room", "hi"), tags={"msgid": "1", "time": ""})]
    assert [Reference(ReferenceKind.MSGID, id_).start(log) for id_ in ("1", "2")] == [0, 1]


def test_a_shorter_history_applies_to_private_messages_too() -> None:
    room = RoomUnderTest(accounts={"ann": Account("ann", local_user="ann")})
    ann, bob = room.join("ann", "sasl", channel="", local_user="ann"), room.join("bob")
    ann.send("AUTHENTICATE EXTERNAL", "AUTHENTICATE +")
    bob.send(*(f"PRIVMSG ann :{number}" for number in range(5)))
    ann.read()
    for lines, kept in ((2, ["3", "4"]), (0, []), (10, [])):
        limits = replace(room.state.settings.limits, history_lines=lines)
        room.core.configure(replace(room.state.settings, limits=limits), room.now)
        found = ann.send("CHATHISTORY LATEST bob * 100")
        assert [line.rpartition(":")[2] for line in found] == kept


def test_a_shorter_history_keeps_the_last_lines() -> None:
    room = RoomUnderTest()
    ann = room.join("ann")
    ann.send(*(f"PRIVMSG #room {number}" for number in range(5)))
    channel = room.state.channels["#room"]
    channel.set_history_lines(2)
    assert [message.params[1] for message in channel.messages()] == ["3", "4"]
