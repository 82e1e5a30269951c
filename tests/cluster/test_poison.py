"""Inputs that no host of this version has made are skipped on all hosts alike."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from netd.listeners.chat.cluster.arrival import format_arrival, format_channel
from netd.listeners.chat.cluster.digest import shared_state
from netd.listeners.chat.cluster.entrant import format_entrant
from netd.listeners.chat.cluster.log_entry import EntryKind, LogEntry
from netd.listeners.chat.cluster.log_position import Position
from netd.listeners.chat.cluster.recovering_room import RecoveringRoom
from netd.listeners.chat.cluster.room_input import InputKind, RoomInput, format_input
from netd.listeners.chat.room.member import Client
from netd.listeners.chat.room.settings import RoomSettings
from netd.listeners.chat.room.state import RoomState
from tests.cluster.replicated_room import ReplicatedRoomUnderTest
from tests.listeners.chat.room.room_under_test import NOON


def _valid() -> list[bytes]:
    room = ReplicatedRoomUnderTest(on_both=True)
    client: Client = room.join("anna").client
    state: RoomState = room.hosts.rooms["one"].state
    channel = state.channels["#room"]
    return [
        format_entrant(client),
        format_arrival(client, client.member, {}),
        format_channel(channel),
        b"PRIVMSG #room :x",
        b"JOIN #room",
        b"OPER\0RIGHT\0root\0\0",
    ]


_VALID = _valid()
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@st.composite
def _changed(draw: st.DrawFn) -> bytes:
    """The facts of a valid input, with some other values."""
    facts = json.loads(draw(st.sampled_from(_VALID[:3])))
    for key in draw(st.lists(st.sampled_from([*facts]), max_size=2)):
        facts[key] = draw(_json)
        if draw(st.booleans()):
            del facts[key]
    return json.dumps(facts).encode()


_inputs = st.builds(
    lambda kind, number, data: format_input(RoomInput(kind, number, data)),
    st.sampled_from(InputKind),
    st.integers(-1, 3),
    st.sampled_from(_VALID) | _changed() | st.binary(max_size=20),
)


@given(st.lists(st.tuples(st.sampled_from(("one", "two", "")), _inputs), max_size=12))
def test_any_inputs_leave_all_hosts_equal(items: list[tuple[str, bytes]]) -> None:
    rooms = []
    for name in ("one", "two"):
        bugs: list[Exception] = []
        payloads: list[bytes] = []
        settings = RoomSettings("irc.test")
        room = RecoveringRoom(settings, NOON, name, payloads.append, print, on_bug=bugs.append)
        rooms.append(room)
        for number, (node, payload) in enumerate(items, start=1):
            position, at = Position(1, number), int(NOON * 1000) + number
            entry = LogEntry(position, EntryKind.INPUTS, node, "", at, 1, (payload,))
            for _ in room.apply(entry):
                pass
        lost = LogEntry(Position(1, len(items) + 1), EntryKind.LOST, "two", "", int(NOON * 1000))
        for _ in room.apply(lost):
            pass
    one, two = rooms
    assert shared_state(one.state) == shared_state(two.state)
    assert one.skipped == two.skipped
