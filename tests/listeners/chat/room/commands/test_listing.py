"""LIST."""

from __future__ import annotations

from netd.listeners.chat.room.settings import Limits
from tests.listeners.chat.room.room_under_test import (
    RoomUnderTest,
    find_line,
)


def test_the_replies_to_list_are_limited() -> None:
    room = RoomUnderTest(limits=Limits(list_replies=2))
    ann = room.join("ann")
    ann.send("JOIN #b", "JOIN #c")
    assert ann.codes("LIST").count("322") == 2


def test_a_secret_channel_is_listed_to_its_members_and_operators() -> None:
    room = RoomUnderTest(opers={"root": "toor"})
    ann, bob = room.join("ann"), room.join("bob", channel="#other")
    ann.send("MODE #room +s")
    assert "#room" in find_line(ann.send("LIST"), "#room")
    assert not [line for line in bob.send("LIST") if "#room" in line]
    bob.send("OPER root toor")
    assert [line for line in bob.send("LIST") if "#room" in line]
