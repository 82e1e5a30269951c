"""CHATHISTORY, and the replay on JOIN."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netd.listeners.chat.room.settings import Account, RoomLimits
from tests.listeners.chat.room.room_under_test import (
    RoomUnderTest,
    at,
    sasl_plain,
)

CAPS = ("batch", "server-time", "message-tags", "draft/chathistory")
ACCOUNTS = {name: Account(name, "secret") for name in ("alina", "robert")}


def room_with_ten_lines() -> RoomUnderTest:
    room = RoomUnderTest()
    speaker = room.join("speaker")
    for number in range(10):
        room.now += 1
        speaker.send(f"PRIVMSG #room :{number}")
    return room


def texts(lines: list[str]) -> list[str]:
    return [line.rsplit(":", 1)[1] for line in lines if " PRIVMSG " in line]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("LATEST #room * 3", "789"),
        (f"LATEST #room {at(8)} 50", "89"),
        (f"BEFORE #room {at(5)} 2", "23"),
        (f"AFTER #room {at(5)} 2", "56"),
        (f"AROUND #room {at(5)} 3", "345"),
        (f"BETWEEN #room {at(3)} {at(7)} 2", "34"),
        (f"BETWEEN #room {at(7)} {at(3)} 2", "45"),
        ("LATEST #room msgid=unknown 5", ""),
    ],
)
def test_chathistory_selects_the_right_messages(query: str, expected: str) -> None:
    reader = room_with_ten_lines().join("reader", *CAPS)
    assert "".join(texts(reader.send(f"CHATHISTORY {query}"))) == expected


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("NONSENSE #room * 3", "INVALID_PARAMS"),
        ("LATEST #room", "NEED_MORE_PARAMS"),
        ("LATEST #room * many", "INVALID_PARAMS"),
        ("BEFORE #room * 3", "INVALID_PARAMS"),
        ("LATEST #elsewhere * 3", "INVALID_TARGET"),
        ("TARGETS * * 3", "INVALID_PARAMS"),
    ],
)
def test_a_wrong_chathistory_query_fails(query: str, code: str) -> None:
    (line,) = room_with_ten_lines().join("reader", *CAPS).send(f"CHATHISTORY {query}")
    assert f" FAIL CHATHISTORY {code} " in line


def test_a_plain_client_gets_the_last_lines_with_their_time() -> None:
    room = RoomUnderTest(replay_lines=2)
    speaker = room.join("speaker")
    speaker.send("PRIVMSG #room :one", "PRIVMSG #room :two", "PRIVMSG #room :three")
    newcomer = room.join("newcomer", channel="")
    assert newcomer.send("JOIN #room")[-2:] == [
        ":speaker!~speaker@192.0.2.1 PRIVMSG #room :[12:00:00] two",
        ":speaker!~speaker@192.0.2.1 PRIVMSG #room :[12:00:00] three",
    ]
    asking = room.join("asking", *CAPS, channel="")
    assert texts(asking.send("JOIN #room")) == []


def test_private_messages_are_kept_for_accounts_only() -> None:
    room = RoomUnderTest(accounts=ACCOUNTS)
    alice, bob = (room.join(name, "sasl", *CAPS) for name in ("alice", "bob"))
    alice.send("AUTHENTICATE PLAIN", f"AUTHENTICATE {sasl_plain('alina', 'secret')}")
    alice.send("PRIVMSG bob :hello")
    bob.read()
    assert texts(alice.send("CHATHISTORY LATEST bob * 5")) == ["hello"]
    assert texts(bob.send("CHATHISTORY LATEST alice * 5")) == []
    room.now += 1
    alice.send("PRIVMSG #room :later")
    found = alice.send(f"CHATHISTORY TARGETS {at(0).replace('2023', '2022')} {at(59)} 5")
    assert [line.split()[-2] for line in found if " TARGETS " in line] == ["bob", "#room"]


def test_chathistory_is_not_offered_when_no_lines_are_kept() -> None:
    ann = RoomUnderTest(limits=RoomLimits(history_lines=0)).connect()
    ann.send("NICK ann")
    received = ann.send("USER ann 0 * :ann")
    assert not [line for line in received if "CHATHISTORY" in line]
    assert [line for line in received if " 005 " in line]


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
