"""A channel with many members: all their names are shown, and an arrival does not look at them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from netd.listeners.chat.room.member import Client
from netd.listeners.chat.room.settings import RoomLimits
from tests.listeners.chat.room.room_under_test import FakeClient, RoomUnderTest

_COUNT = 150  # names for several lines, in several looks


def _names(client: FakeClient, *lines: str) -> list[str]:
    received = [line for line in client.send(*lines) if " 353 " in line]
    assert all(len(line) <= 510 for line in received)
    return [name for line in received for name in line.partition(" :")[2].split(" ")]


def test_all_names_are_shown_but_those_that_are_hidden() -> None:
    room = RoomUnderTest(limits=RoomLimits(nick_chars=30))
    members = [room.join(f"n{number}" + "x" * (number % 25)) for number in range(_COUNT)]
    for member in members[10:90]:
        member.send(f"MODE {member.member.nick} +i")
    members[0].send(f"MODE #room +v {members[100].member.nick}")
    nicks = [member.member.nick for member in members]
    nicks[0], nicks[100] = f"@{nicks[0]}", f"+{nicks[100]}"
    assert _names(members[1], "NAMES #room") == nicks
    outside = room.join("outside", channel="")
    assert _names(outside, "NAMES #room") == [*nicks[:10], *nicks[90:]]


class _Counting(tuple[Client, ...]):
    """The clients of a member, which count how often they are looked at."""

    __slots__ = ()
    looks = 0

    def __iter__(self) -> Iterator[Client]:
        _Counting.looks += 1
        return super().__iter__()


def test_an_arrival_and_a_departure_look_at_no_other_member() -> None:
    room: Any = RoomUnderTest()
    members = [room.join(f"n{number}") for number in range(5)]
    room.join("last")
    for member in members:
        member.member.clients = _Counting(member.member.clients)
    _Counting.looks = 0
    late = room.join("late")
    late.send("NICK later", "AWAY :at lunch", "QUIT :bye")
    assert _Counting.looks == 0
    assert all(":later" in member.read()[-1] for member in members)
