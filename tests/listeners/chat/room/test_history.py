"""The history of channels and conversations."""

from __future__ import annotations

from netd.listeners.chat.room.history import (
    MAX_CONVERSATIONS,
    PrivateHistory,
    Reference,
    ReferenceKind,
)
from netd.listeners.chat.room.memory import Memory
from netd.protocols.irc import Message
from tests.listeners.chat.room.room_under_test import (
    RoomUnderTest,
)


def test_the_oldest_conversation_is_dropped_past_the_limit() -> None:
    history = PrivateHistory(10, Memory())
    for number in range(MAX_CONVERSATIONS + 1):
        history.add(f"user{number}", f"User{number}", Message("PRIVMSG", ("ann", "hi")))
    assert len(history.conversations) == MAX_CONVERSATIONS
    assert "user0" not in history.conversations


def test_an_unknown_message_id_is_after_all_messages() -> None:
    log = [Message("PRIVMSG", ("#room", "hi"), tags={"msgid": "1", "time": ""})]
    assert [Reference(ReferenceKind.MSGID, id_).start(log) for id_ in ("1", "2")] == [0, 1]


def test_a_shorter_history_keeps_the_last_lines() -> None:
    room = RoomUnderTest()
    ann = room.join("ann")
    ann.send(*(f"PRIVMSG #room {number}" for number in range(5)))
    channel = room.state.channels["#room"]
    channel.history.set_lines(2)
    assert [message.params[1] for message in channel.messages()] == ["3", "4"]
