"""REDACT finds messages of the fast path too, in steps, and gives their memory back."""

from __future__ import annotations

from netd.listeners.chat.room.settings import RoomLimits
from tests.listeners.chat.room.room_under_test import FakeClient, RoomUnderTest

CAPS = ("message-tags", "draft/message-redaction", "draft/chathistory", "echo-message")


def finish(room: RoomUnderTest, client: FakeClient) -> int:
    """Complete a reply; return its steps."""
    steps = 0
    while client.client.is_replying:
        steps += 1
        room.apply(room.core.resume(client.client, room.now))
    return steps


def test_a_message_in_a_long_history_is_found_in_steps() -> None:
    room = RoomUnderTest(limits=RoomLimits(history_lines=3000))
    alice = room.join("alice", *CAPS)
    for number in range(3000):
        alice.send_line(f"PRIVMSG #room :{number}")
    alice.read()
    history = room.state.channels["#room"].history
    before, kept = history.bytes, room.state.memory.kept
    assert history.is_steady
    room.core.receive(alice.client, b"REDACT #room id1", room.now)
    assert finish(room, alice) > 1
    assert alice.read() == ["@msgid=idbb9 :alice!~alice@192.0.2.1 REDACT #room id1"]
    assert (len(history.entries), history.is_steady) == (2999, False)
    assert history.bytes - before == room.state.memory.kept - kept < 0
    assert alice.client.work >= 2900
    alice.send_line("PRIVMSG #room :one more")
    assert (history.bytes, len(history.entries)) == (before, 3000)


def test_a_history_that_changes_meanwhile() -> None:
    room = RoomUnderTest(limits=RoomLimits(history_lines=1000))
    alice, bob = room.join("alice", *CAPS), room.join("bob")
    for number in range(1000):
        alice.send_line(f"PRIVMSG #room :{number}")
    room.core.receive(alice.client, b"REDACT #room id1", room.now)
    bob.send_line("PRIVMSG #room :now the first message leaves the history")
    finish(room, alice)
    assert len(room.state.channels["#room"].history.entries) == 1000
    room.core.receive(alice.client, b"REDACT #room id2", room.now)
    alice.send_line("PART #room")
    bob.send_line("PART #room")
    assert room.state.channels == {}
