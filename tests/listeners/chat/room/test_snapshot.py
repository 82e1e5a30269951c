from __future__ import annotations

import pytest

from netd.errors import LocalProtocolError
from netd.listeners.chat.room.channel import Channel, ListEntry, Topic
from netd.listeners.chat.room.memory import Memory
from netd.listeners.chat.room.settings import Account
from netd.listeners.chat.room.snapshot import (
    KEPT_S,
    format_state,
    restore_channel,
    restore_state,
)
from netd.protocols.irc import fold
from tests.listeners.chat.room.room_under_test import RoomUnderTest, sasl_plain

NOON = 1_700_049_600.0


def channel() -> Channel:
    return Channel("#room", NOON, 10, Memory())


def test_a_state_is_restored_as_it_was() -> None:
    before, after = channel(), channel()
    before.topic = Topic("a topic", "ann", NOON)
    before.modes = {"k": "sesame", "m": ""}
    before.lists["b"]["bob!*@*"] = ListEntry("Bob!*@*", "ann", NOON)
    before.lists["b"][fold("*!*@*ÄRGER*")] = ListEntry("*!*@*ÄRGER*", "ann", NOON)
    restore_state(after, format_state(before))
    assert (after.topic, after.modes) == (before.topic, before.modes)
    assert [entry.mask for entry in after.lists["b"].values()] == ["Bob!*@*", "*!*@*ÄRGER*"]
    assert after.lists["b"].keys() == before.lists["b"].keys()


def test_a_channel_without_a_topic_is_restored_without_one() -> None:
    after = channel()
    restore_state(after, format_state(channel()))
    assert after.topic is None


def test_a_restored_channel_expires() -> None:
    room = RoomUnderTest()
    ann = room.join("ann", channel="#Kept")
    text = format_state(room.state.channels["#kept"])
    ann.send("PART #kept")
    restore_channel(room.state, "#kept", text, room.now)
    ann.send("JOIN #kept", "PART #kept")
    room.core.expire_channels(room.now + KEPT_S - 1)
    assert [channel.name for channel in room.state.channels.values()] == ["#Kept"]
    ann.send("JOIN #kept")
    room.core.expire_channels(room.now + KEPT_S)
    assert not room.state.restored
    ann.send("PART #kept", "JOIN #kept")
    assert room.state.channels["#kept"].is_op(ann.member)


def test_an_expired_channel_is_not_taken_for_a_new_one_with_its_name() -> None:
    room = RoomUnderTest(accounts={"ann": Account("ann", "sesame")})
    ann = room.join("bob", "sasl", channel="#kept")
    ann.send("AUTHENTICATE PLAIN", f"AUTHENTICATE {sasl_plain('ann', 'sesame')}")
    text = format_state(room.state.channels["#kept"])
    ann.send("PART #kept")
    restore_channel(room.state, "#kept", text, room.now)
    ann.send("JOIN #kept", "PART #kept", "JOIN #kept")
    room.core.expire_channels(room.now)
    assert room.state.channels["#kept"].members == {ann.member: "o"}


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "null", "[]", "{}"),
        '{"topic": [1], "modes": {}, "lists": {}}',
        '{"topic": null, "modes": [], "lists": {}}',
        '{"topic": null, "modes": {}, "lists": {}}',
    ],
)
def test_a_broken_state_changes_nothing(text: str) -> None:
    after = channel()
    with pytest.raises(LocalProtocolError, match="not a channel's state"):
        restore_state(after, text)
    assert after.modes == channel().modes
