"""Messages of several lines: their limits, and that they never become other lines."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netd.listeners.chat.room.multiline import is_multiline
from netd.listeners.chat.room.settings import RoomLimits
from netd.protocols.irc import Message, format_body
from tests.listeners.chat.room.room_under_test import RoomUnderTest

CAPS = ("batch", "message-tags", "draft/multiline")
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), max_size=60)


def test_the_limits_are_shown_and_held() -> None:
    room = RoomUnderTest(limits=RoomLimits(multiline_bytes=20, multiline_lines=3))
    alice, bob = room.join("alice", *CAPS), room.join("bob")
    assert "draft/multiline=max-bytes=20,max-lines=3" in " ".join(alice.send("CAP LS 302"))
    alice.send("BATCH +1 draft/multiline #room")
    for _ in range(3):
        assert alice.send("@batch=1 PRIVMSG #room :123456") == []
    assert alice.send("BATCH -1") == []
    assert len(bob.read()) == 3
    alice.send("BATCH +1 draft/multiline #room", "@batch=1 PRIVMSG #room :1234567890")
    received = alice.send(*["@batch=1 PRIVMSG #room :0123456789"] * 2, "BATCH -1")
    assert received == [
        ":irc.test FAIL BATCH MULTILINE_MAX_BYTES 20 :The message has too many bytes"
    ]
    alice.send("BATCH +1 draft/multiline #room")
    received = alice.send(*["@batch=1 PRIVMSG #room :x"] * 9, "BATCH -1")
    assert received == [
        ":irc.test FAIL BATCH MULTILINE_MAX_LINES 3 :The message has too many lines"
    ]
    assert bob.read() == []


def test_the_memory_of_a_message_is_counted() -> None:
    room = RoomUnderTest()
    alice = room.join("alice", *CAPS)
    before = room.state.memory.kept
    alice.send("BATCH +1 draft/multiline #room")
    alice.send(*["@batch=1 PRIVMSG #room :" + "x" * 400] * 10, "BATCH -1")
    assert room.state.memory.kept - before > 4 * 4000


def test_lines_are_credited_to_flood_control() -> None:
    room = RoomUnderTest()
    alice = room.join("alice", *CAPS)
    alice.send("BATCH +1 draft/multiline #room")
    alice.send("@batch=1 PRIVMSG #room :x")
    assert alice.client.refund == 0.75
    assert alice.client.work >= 1


@given(st.lists(st.tuples(TEXT, st.booleans()), min_size=1, max_size=8))
def test_clients_get_exactly_the_lines(lines: list[tuple[str, bool]]) -> None:
    room = RoomUnderTest(limits=RoomLimits(multiline_bytes=10_000))
    alice, bob, carol = room.join("alice", *CAPS), room.join("bob", *CAPS), room.join("carol")
    sent = [
        (text, number > 0 and is_concat and bool(text))
        for number, (text, is_concat) in enumerate(lines)
    ]
    if not any(text for text, _ in sent):
        return
    alice.send("BATCH +1 draft/multiline #room")
    for text, is_concat in sent:
        tags = "batch=1;draft/multiline-concat" if is_concat else "batch=1"
        assert alice.send(f"@{tags} PRIVMSG #room :{text}") == []
    assert alice.send("BATCH -1") == []
    plain = [f":alice!~alice@192.0.2.1 PRIVMSG #room :{text}" for text, _ in sent if text]
    assert carol.read() == plain
    received = bob.read()
    if len(sent) > 1:
        texts = [line.partition(" PRIVMSG #room :")[2] for line in received[1:-1]]
        assert texts == [text for text, _ in sent]
        assert ["concat" in line.partition(":")[0] for line in received[1:-1]] == [
            is_concat for _, is_concat in sent
        ]
    saved = json.loads(json.dumps(room.core.save()))
    other = RoomUnderTest()
    other.adopt_room(saved, room)
    (kept,) = other.state.channels["#room"].messages()
    assert is_multiline(kept) == (len(sent) > 1)


@pytest.mark.parametrize("text", ["a\nQUIT", "a\r\nQUIT", "a\rb"])
def test_no_text_begins_another_line(text: str) -> None:
    for command in ("PRIVMSG", "TOPIC"):
        assert format_body(Message(command, ("#room", text))).count(b"\n") == 1


def test_an_open_message_is_saved() -> None:
    room = RoomUnderTest()
    alice = room.join("alice", *CAPS)
    room.join("bob")
    alice.send("@label=x;+a=b BATCH +1 draft/multiline #room", "@batch=1 PRIVMSG #room :one")
    other = RoomUnderTest()
    client = other.adopt_room(json.loads(json.dumps(room.core.save())), room)[0]
    assert client.open_batch == alice.client.open_batch
    assert client.open_batch is not None
    assert client.open_batch.parts == ["one"]
