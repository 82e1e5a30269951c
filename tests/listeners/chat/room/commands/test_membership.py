"""JOIN, KICK, INVITE and NAMES."""

from __future__ import annotations

from netd.listeners.chat.room.settings import Account
from tests.listeners.chat.room.room_under_test import (
    RoomUnderTest,
    find_line,
    sasl_plain,
)

ALICE = {"alice": Account("Alice", "sesame")}


def test_a_join_is_sent_in_the_form_that_a_client_requested() -> None:
    room = RoomUnderTest(accounts=ALICE)
    bare, extended = room.join("bare"), room.join("extended", "extended-join")
    room.join("ann", "sasl", channel="").send(
        "AUTHENTICATE PLAIN", f"AUTHENTICATE {sasl_plain('alice', 'sesame')}", "JOIN #room"
    )
    assert bare.read() == [":ann!~ann@192.0.2.1 JOIN #room"]
    assert extended.read() == [":ann!~ann@192.0.2.1 JOIN #room Alice :ann real"]


def test_kick_takes_as_many_channels_as_nicks() -> None:
    room = RoomUnderTest()
    ann = room.join("ann")
    bob, carl = room.join("bob"), room.join("carl", channel="#two")
    ann.send("JOIN #two")
    carl.send("MODE #two +o ann")
    ann.send("KICK #room,#two bob,carl")
    assert find_line(bob.read(), "KICK #room bob").endswith(" ann")
    assert find_line(carl.read(), "KICK #two carl").endswith(" ann")


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


def test_an_invited_member_that_leaves_is_forgotten() -> None:
    room = RoomUnderTest()
    ann, bob = room.join("ann"), room.join("bob", channel="")
    ann.send("MODE #room +i", "INVITE bob #room")
    assert bob.member in room.state.channels["#room"].invited
    room.leave(bob, "gone")
    assert not room.state.channels["#room"].invited


def test_names_show_hosts_and_all_prefixes_where_requested() -> None:
    room = RoomUnderTest()
    op = room.join("op")
    op.send("MODE #room +v op")
    full = room.join("full", "userhost-in-names", "multi-prefix")
    assert full.send("NAMES #room")[0].endswith(":@+op!~op@192.0.2.1 full!~full@192.0.2.1")
    assert op.send("NAMES #room")[0].endswith("@op full")


def test_many_names_fill_many_lines() -> None:
    room = RoomUnderTest()
    ann = room.join("ann")
    nicks = {f"{'n' * 25}{number}" for number in range(40)}
    for nick in nicks:
        room.join(nick)
    lines = [line for line in ann.send("NAMES #room") if " 353 " in line]
    assert max(map(len, lines)) <= 510
    assert {nick for line in lines for nick in line.rpartition(":")[2].split()} >= nicks


def test_all_targets_of_a_line_are_served() -> None:
    room = RoomUnderTest()
    ann = room.join("ann", channel="")
    names = [f"#{number}" for number in range(45)]
    ann.send(f"JOIN {','.join(names)}")
    assert list(ann.member.channels) == names
    assert ann.codes(f"NAMES {','.join(names)}").count("353") == 45
    victims = [room.join(f"v{number}", channel="#0") for number in range(25)]
    ann.send(f"KICK #0 {','.join(victim.member.nick for victim in victims)}")
    assert not any(victim.member.channels for victim in victims)
    ann.send(f"PART {','.join(names)}")
    assert not ann.member.channels
