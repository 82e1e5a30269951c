"""MARKREAD."""

from __future__ import annotations

from netd.listeners.chat.room.settings import Account
from tests.listeners.chat.room.room_under_test import (
    RoomUnderTest,
    at,
    find_line,
    sasl_plain,
)


def test_accounts_do_not_share_read_markers() -> None:
    accounts = {name: Account(name, "secret") for name in ("anna", "bert")}
    client = RoomUnderTest(accounts=accounts).join("guest", "sasl", "draft/read-marker")
    for name in accounts:
        client.send("AUTHENTICATE PLAIN", f"AUTHENTICATE {sasl_plain(name, 'secret')}")
        assert client.member.account == name
        assert client.send("MARKREAD #x") == [":irc.test MARKREAD #x *"]
        client.send("MARKREAD #x timestamp=2023-11-15T12:00:00.000Z")


def test_a_read_marker_never_moves_back() -> None:
    alice = RoomUnderTest().join("alice", "draft/read-marker")
    assert alice.send("MARKREAD #room") == [":irc.test MARKREAD #room *"]
    for second in (5, 3):
        assert alice.send(f"MARKREAD #room {at(second)}") == [f":irc.test MARKREAD #room {at(5)}"]


def test_an_older_read_marker_changes_nothing() -> None:
    ann = RoomUnderTest().join("ann", "draft/read-marker")
    for minute in ("30", "10"):
        received = ann.send(f"MARKREAD #room timestamp=2023-11-15T11:{minute}:00.000Z")
        assert find_line(received, "MARKREAD").endswith("T11:30:00.000Z")


def test_the_oldest_read_marker_is_dropped_past_the_limit() -> None:
    room = RoomUnderTest()
    ann = room.join("ann", "draft/read-marker")
    for number in range(600):
        ann.send(f"MARKREAD user{number} timestamp=2023-11-15T11:00:00.000Z")
    assert find_line(ann.send("MARKREAD user0"), "MARKREAD").endswith(" *")
    assert find_line(ann.send("MARKREAD user599"), "MARKREAD").endswith("11:00:00.000Z")
