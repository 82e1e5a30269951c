"""What a room keeps is bounded, and what it shows is only for those who may see it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netd.listeners.chat.room.history import MAX_CONVERSATIONS, Mailbox, Reference
from netd.listeners.chat.room.settings import Account, Limits
from netd.protocols.irc import Message
from tests.listeners.chat.room.hall import Guest, Hall


def find(lines: list[str], what: str) -> str:
    """The one line that says this."""
    found = [line for line in lines if what in line]
    assert len(found) == 1, lines
    return found[0]


def test_monitor_is_full_and_forgets() -> None:
    hall = Hall(limits=Limits(monitored=2))
    ann, bob = hall.join("ann"), hall.join("bob")
    assert "carl,dave" in find(ann.say("MONITOR + bob,eve,carl,dave"), " 734 ")
    assert not [line for line in ann.say("MONITOR + not!a!nick") if "not" in line]
    assert "bob" in find(ann.say("MONITOR L"), " 732 ")
    ann.say("MONITOR - bob,unknown")
    bob.say("NICK rob")
    assert not {"730", "731"} & {*ann.codes("MONITOR C", "MONITOR S")}
    hall.leave(ann, "gone")
    assert not hall.room.watchers


def test_monitor_with_extended_monitor_tells_of_who_shares_no_channel() -> None:
    hall = Hall()
    ann = hall.join("ann", "extended-monitor", "away-notify")
    bob = hall.join("bob", channel="#other")
    ann.say("MONITOR + bob")
    bob.say("AWAY :lunch")
    assert find(ann.read(), "AWAY").endswith(" AWAY lunch")


def test_a_list_is_cut() -> None:
    hall = Hall(limits=Limits(list_replies=2))
    ann = hall.join("ann")
    ann.say("JOIN #b", "JOIN #c")
    assert ann.codes("LIST").count("322") == 2


def test_a_secret_channel_is_listed_to_its_members_and_operators() -> None:
    hall = Hall(opers={"root": "toor"})
    ann, bob = hall.join("ann"), hall.join("bob", channel="#other")
    ann.say("MODE #room +s")
    assert "#room" in find(ann.say("LIST"), "#room")
    assert not [line for line in bob.say("LIST") if "#room" in line]
    bob.say("OPER root toor")
    assert [line for line in bob.say("LIST") if "#room" in line]


def test_an_operator_rules_a_channel_it_is_not_in() -> None:
    hall = Hall(opers={"root": "toor"})
    ann, root = hall.join("ann"), hall.join("root", channel="")
    root.say("OPER root toor", "KICK #room ann :out")
    assert find(ann.read(), "KICK").endswith(" KICK #room ann out")


def test_an_operator_kills_itself() -> None:
    root = Hall(opers={"root": "toor"}).join("root")
    root.say("OPER root toor", "KILL root :enough")
    assert root.closed == "Killed (root (enough))"


def test_kicks_from_as_many_channels_as_members() -> None:
    hall = Hall()
    ann = hall.join("ann")
    bob, carl = hall.join("bob"), hall.join("carl", channel="#two")
    ann.say("JOIN #two")
    carl.say("MODE #two +o ann")
    ann.say("KICK #room,#two bob,carl")
    assert find(bob.read(), "KICK #room bob").endswith(" ann")
    assert find(carl.read(), "KICK #two carl").endswith(" ann")


def test_many_names_fill_many_lines() -> None:
    hall = Hall()
    ann = hall.join("ann")
    nicks = {f"{'n' * 25}{number}" for number in range(40)}
    for nick in nicks:
        hall.join(nick)
    lines = [line for line in ann.say("NAMES #room") if " 353 " in line]
    assert max(map(len, lines)) <= 510
    assert {nick for line in lines for nick in line.rpartition(":")[2].split()} >= nicks


def test_long_names_are_cut_out_of_no_list() -> None:
    hall = Hall(limits=Limits(nick_chars=64))
    rooms = [f"#{each}{'ä' * 60}" for each in range(8)]
    ann = hall.join(f"ann{'n' * 61}", channel="")
    ann.say(*(f"JOIN {each}" for each in rooms))
    nicks = [ann.member.nick, *(f"{'n' * 60}{number}" for number in range(10, 22))]
    for nick in nicks[1:]:
        hall.join(nick, channel=rooms[0])
    for nick in nicks:
        ann.say(f"MONITOR + {nick}")
    for question, code, between, answer in (
        (f"NAMES {rooms[0]}", " 353 ", " ", ["@" + nicks[0], *nicks[1:]]),
        (f"WHOIS {nicks[0]}", " 319 ", " ", ["@" + each for each in rooms]),
        (f"ISON {' '.join(nicks[:7])}", " 303 ", " ", nicks[:7]),
        ("MONITOR L", " 732 ", ",", nicks),
    ):
        lines = [line for line in ann.say(question) if code in line]
        last = [line.rpartition(" :" if " :" in line else " ")[2] for line in lines]
        assert [word for words in last for word in words.split(between)] == answer


def test_modes_are_told_whole() -> None:
    ann = Hall().join("ann", host="a.host." * 9)
    masks = [each * 150 + "!*@*" for each in "xyz"]
    lines = ann.say(f"MODE #room +bbb {' '.join(masks)}")
    assert [line.split(" MODE #room ")[1] for line in lines] == [
        f"+bb {masks[0]} {masks[1]}",
        f"+b {masks[2]}",
    ]
    assert ann.codes(f"MODE #room +b {'w' * 200}") == ["696"]
    assert ann.codes("MODE #room +b :two words") == ["696"]


def test_a_markers_oldest_makes_room() -> None:
    hall = Hall()
    ann = hall.join("ann", "draft/read-marker")
    for number in range(600):
        ann.say(f"MARKREAD user{number} timestamp=2023-11-15T11:00:00.000Z")
    assert find(ann.say("MARKREAD user0"), "MARKREAD").endswith(" *")
    assert find(ann.say("MARKREAD user599"), "MARKREAD").endswith("11:00:00.000Z")


def test_an_older_marker_changes_nothing() -> None:
    ann = Hall().join("ann", "draft/read-marker")
    for minute in ("30", "10"):
        told = ann.say(f"MARKREAD #room timestamp=2023-11-15T11:{minute}:00.000Z")
        assert find(told, "MARKREAD").endswith("T11:30:00.000Z")


@pytest.mark.parametrize("said", ["SETNAME", "SETNAME :", f"SETNAME :{'x' * 151}"])
def test_a_real_name_is_neither_empty_nor_too_long(said: str) -> None:
    ann = Hall().join("ann", "setname", "standard-replies")
    assert not [line for line in ann.say(said) if " SETNAME :x" in line]
    assert ann.member.realname == "ann real"


def login_of(hall: Hall) -> Guest:
    guest = hall.connect()
    guest.say("CAP REQ sasl", "AUTHENTICATE PLAIN")
    return guest


def test_a_login_is_bounded() -> None:
    hall = Hall(accounts={"anna": Account("anna", "sesame")})
    assert login_of(hall).codes(f"AUTHENTICATE {'a' * 401}") == ["905"]
    guest = login_of(hall)
    for _ in range(40):
        codes = guest.codes(f"AUTHENTICATE {'a' * 400}")
        if codes:
            break
    assert codes == ["904"]


def test_who_is_logged_in_by_another_account_is_told() -> None:
    guest = Hall(accounts={"anna": Account("anna", "sesame")}).join("ann", "sasl")
    assert guest.codes("AUTHENTICATE NONE") == ["908", "904"]


def test_history_of_no_lines_is_not_offered() -> None:
    ann = Hall(limits=Limits(history_lines=0)).connect()
    ann.say("NICK ann")
    told = ann.say("USER ann 0 * :ann")
    assert not [line for line in told if "CHATHISTORY" in line]
    assert [line for line in told if " 005 " in line]


def test_strict_transport_is_asked_for_in_the_clear_and_kept_under_tls() -> None:
    hall = Hall(sts_port=6697, sts_duration_s=3600)
    clear, secure = hall.connect(), hall.connect()
    secure.member.is_secure = True
    assert find(clear.say("CAP LS 302"), "sts=port=6697")
    assert find(secure.say("CAP LS 302"), "sts=duration=3600")
    assert not [line for line in hall.connect().say("CAP LS") if "sts" in line]


def test_whois_says_who_is_verified_and_how() -> None:
    hall = Hall(opers={"root": "toor"}, accounts={"anna": Account("anna", local_user="anna")})
    ann = hall.join("ann")
    bob = hall.join("bob", local_user="robert")
    bob.member.is_secure = True
    codes = ann.codes("WHOIS bob")
    assert {"320", "671"} <= {*codes}


@pytest.mark.parametrize(
    ("said", "code"), [("HELP COMMANDS", "705"), ("HELP JOIN", "705"), ("HELP nothing", "524")]
)
def test_help(said: str, code: str) -> None:
    assert code in {*Hall().join("ann").codes(said), "704"}


def test_the_room_shuts_down_for_everybody() -> None:
    hall = Hall()
    ann, newcomer = hall.join("ann"), hall.connect()
    newcomer.say("NICK newcomer")
    hall.carry_out(hall.room.shut_down("bye", hall.now))
    assert (ann.closed, newcomer.closed) == ("bye", "bye")
    assert newcomer.read() == ["ERROR :Closing link: 192.0.2.1 (bye)"]
    assert not hall.room.members
    assert not hall.room.unregistered
    hall.leave(ann, "bye")  # its connection ends after that


def test_a_password_is_told_to_be_right_after_its_member_has_gone() -> None:
    hall = Hall()
    ann = hall.join("ann")
    assert hall.room.verified(ann.member, hall.now, right=True) == []


def test_an_unknown_command_before_registration() -> None:
    assert Hall().connect().codes("FROBNICATE") == ["451"]


def test_who_was_invited_and_leaves_is_forgotten() -> None:
    hall = Hall()
    ann, bob = hall.join("ann"), hall.join("bob", channel="")
    ann.say("MODE #room +i", "INVITE bob #room")
    assert bob.member in hall.room.channels["#room"].invited
    hall.leave(bob, "gone")
    assert not hall.room.channels["#room"].invited


def test_who_stops_watching_leaves_the_others_at_it() -> None:
    hall = Hall()
    ann, bob = hall.join("ann"), hall.join("bob")
    for each in (ann, bob):
        each.say("MONITOR + carl")
    ann.say("MONITOR - carl")
    hall.connect().say("NICK carl", "USER carl 0 * :carl")
    assert (ann.codes(), bob.codes()) == ([], ["730"])
    hall.leave(bob, "gone")
    assert not hall.room.watchers


def test_news_of_the_servers_own() -> None:
    hall = Hall()
    ann = hall.join("ann")
    hall.carry_out(hall.room.inform(ann.member, ["reloaded"], hall.now))
    assert find(ann.read(), "NOTICE").endswith(" NOTICE ann :reloaded")


def test_a_conversation_that_is_silent_longest_makes_room() -> None:
    box = Mailbox(10)
    for number in range(MAX_CONVERSATIONS + 1):
        box.keep(f"user{number}", f"User{number}", Message("PRIVMSG", ("ann", "hi")))
    assert len(box.logs) == MAX_CONVERSATIONS
    assert "user0" not in box.logs


def test_a_message_id_that_is_forgotten_stands_after_all() -> None:
    log = [Message("PRIVMSG", ("#room", "hi"), tags={"msgid": "1", "time": ""})]
    assert [Reference("msgid", each).before(log) for each in ("1", "2")] == [0, 1]


def test_a_shorter_history_goes_for_private_words_as_well() -> None:
    hall = Hall(accounts={"ann": Account("ann", local_user="ann")})
    ann, bob = hall.join("ann", "sasl", channel="", local_user="ann"), hall.join("bob")
    ann.say("AUTHENTICATE EXTERNAL", "AUTHENTICATE +")
    bob.say(*(f"PRIVMSG ann :{number}" for number in range(5)))
    ann.read()
    for lines, kept in ((2, ["3", "4"]), (0, []), (10, [])):
        limits = replace(hall.room.settings.limits, history_lines=lines)
        hall.room.configure(replace(hall.room.settings, limits=limits), hall.now)
        found = ann.say("CHATHISTORY LATEST bob * 100")
        assert [line.rpartition(":")[2] for line in found] == kept


def test_a_shorter_history_keeps_the_last_lines() -> None:
    hall = Hall()
    ann = hall.join("ann")
    ann.say(*(f"PRIVMSG #room {number}" for number in range(5)))
    channel = hall.room.channels["#room"]
    channel.keep_lines(2)
    assert [each.params[1] for each in channel.log()] == ["3", "4"]
