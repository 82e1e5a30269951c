"""LIST."""

from __future__ import annotations

from netd.listeners.chat.room.commands.listing import MAX_CONDITIONS
from netd.listeners.chat.room.settings import RoomLimits
from tests.listeners.chat.room.room_under_test import (
    RoomUnderTest,
    find_line,
)


def test_the_replies_to_list_are_limited() -> None:
    room = RoomUnderTest(limits=RoomLimits(list_replies=2))
    ann = room.join("ann")
    ann.send("JOIN #b", "JOIN #c")
    assert ann.codes("LIST").count("322") == 2


def test_list_takes_names_and_a_limited_number_of_conditions() -> None:
    room = RoomUnderTest()
    ann = room.join("ann")
    ann.send("JOIN #b", "JOIN #c")
    assert ann.codes("LIST #b,#C,#none") == ["321", "322", "322", "323"]
    assert ann.codes("LIST #b,#c,>5") == ["321", "323"]
    assert ann.codes(f"LIST {','.join(['>0'] * MAX_CONDITIONS)}").count("322") == 3
    assert ann.codes(f"LIST {','.join(['>0'] * (MAX_CONDITIONS + 1))}") == ["407"]


def test_a_secret_channel_is_listed_to_its_members_and_operators() -> None:
    room = RoomUnderTest(opers={"root": "toor"})
    ann, bob = room.join("ann"), room.join("bob", channel="#other")
    ann.send("MODE #room +s")
    assert "#room" in find_line(ann.send("LIST"), "#room")
    assert not [line for line in bob.send("LIST") if "#room" in line]
    bob.send("OPER root toor")
    assert [line for line in bob.send("LIST") if "#room" in line]
