"""The room's memory: everything that clients can make it keep is counted, and bounded."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from netd.listeners.chat.room.memory import CHANNEL_BYTES, MESSAGE_BYTES
from netd.listeners.chat.room.settings import Account, RoomLimits
from tests.listeners.chat.room.room_under_test import RoomUnderTest
from tests.listeners.chat.room.test_any_line import SAID

_TAGS = ";".join(f"+t{number}=" for number in range(500))


def _room(memory_bytes: int) -> RoomUnderTest:
    return RoomUnderTest(limits=RoomLimits(memory_bytes=memory_bytes))


def _kept(room: RoomUnderTest) -> int:
    state = room.state
    private = [
        log.bytes
        for history in state.private_histories.values()
        for _, log in history.conversations.values()
    ]
    return sum(channel.kept_bytes for channel in state.channels.values()) + sum(private)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.booleans(), SAID), max_size=25))
def test_the_account_is_the_sum_of_what_is_kept(lines: list[tuple[bool, str]]) -> None:
    room = RoomUnderTest(
        accounts={"acc": Account("acc", "b")}, limits=RoomLimits(history_lines=2, memory_bytes=9000)
    )
    clients = [room.join("a", "message-tags"), room.join("b")]
    clients[0].member.account = "acc"
    for first, line in lines:
        clients[0 if first else 1].send(line)
        assert room.state.memory.kept == _kept(room)
    for client in clients:
        room.leave(client, "gone")
    room.state.private_histories.clear()
    assert _kept(room) == 0


def test_tags_count() -> None:
    room = _room(1 << 30)
    ann = room.join("ann", "message-tags")
    ann.send("PRIVMSG #room :plain", f"@{_TAGS} PRIVMSG #room :with tags")
    assert room.state.memory.kept > CHANNEL_BYTES + 2 * MESSAGE_BYTES + 500 * 200


def test_a_full_memory_keeps_no_more_messages_channels_and_bans() -> None:
    room = _room(1_000_000)
    ann = room.join("ann", "message-tags")
    for number in range(100):
        ann.send(f"@{_TAGS} PRIVMSG #room :{number}")
    assert room.state.memory.used < 1_000_000 + 200_000
    assert room.state.channels["#room"].messages()[-1].params[1] == "99"
    room.state.memory.buffers = 1_000_000
    assert ann.codes("JOIN #other") == ["437"]
    assert ann.codes("MODE #room +b bob!*@*") == ["478"]
    room.state.memory.buffers = 0


def test_the_largest_histories_make_room() -> None:
    room = _room(1_000_000)
    ann = room.join("ann", "message-tags", channel="#small")
    ann.send("JOIN #large", "PRIVMSG #small :one", "PRIVMSG #small :two")
    for number in range(100):
        ann.send(f"@{_TAGS} PRIVMSG #large :{number}")
    room.state.shorten_histories()
    assert room.state.memory.used < 900_000
    assert len(room.state.channels["#small"].messages()) == 2
    assert room.state.channels["#large"].messages()[-1].params[1] == "99"
    assert ann.codes("JOIN #other")[0] == "JOIN"
