"""SETNAME and MONITOR."""

from __future__ import annotations

import pytest

from netd.listeners.chat.room.settings import RoomLimits
from tests.listeners.chat.room.room_under_test import (
    RoomUnderTest,
    find_line,
)


@pytest.mark.parametrize("said", ["SETNAME", "SETNAME :", f"SETNAME :{'x' * 151}"])
def test_an_empty_or_too_long_real_name_is_refused(said: str) -> None:
    ann = RoomUnderTest().join("ann", "setname", "standard-replies")
    assert not [line for line in ann.send(said) if " SETNAME :x" in line]
    assert ann.member.realname == "ann real"


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


def test_the_monitor_list_is_limited_and_can_be_cleared() -> None:
    room = RoomUnderTest(limits=RoomLimits(monitored=2))
    ann, bob = room.join("ann"), room.join("bob")
    assert "carl,dave" in find_line(ann.send("MONITOR + bob,eve,carl,dave"), " 734 ")
    assert not [line for line in ann.send("MONITOR + not!a!nick") if "not" in line]
    assert "bob" in find_line(ann.send("MONITOR L"), " 732 ")
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
    assert find_line(ann.read(), "AWAY").endswith(" AWAY lunch")


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
