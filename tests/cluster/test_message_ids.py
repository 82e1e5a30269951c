"""The ids of messages come from the log, and do not come again when the engine has lost entries."""

from __future__ import annotations

import re

from netd.listeners.chat.room.encoded_message import MessageIds, position_of
from tests.cluster.replicated_room import ReplicatedRoomUnderTest
from tests.listeners.chat.room.room_under_test import NOON


def _id_of(lines: list[str]) -> str:
    found = re.search(r"msgid=([^; ]+)", lines[0])
    assert found is not None
    return found[1]


def test_a_message_after_lost_ones_has_another_id() -> None:
    room = ReplicatedRoomUnderTest(on_both=True)
    ann = room.join("ann", "message-tags", "echo-message")
    room.hosts.epoch = round(NOON * 1000)
    before = _id_of(ann.send("PRIVMSG #room :lost"))
    for host in room.hosts.rooms.values():
        host.state.ids.last_number -= 1
    room.hosts.epoch += 1
    after = _id_of(ann.send("PRIVMSG #room :new"))
    assert before.rpartition("-")[2] == after.rpartition("-")[2]
    assert position_of(before) < position_of(after)
    room.check_equal()


def test_an_identity_is_never_an_earlier_one() -> None:
    ids = MessageIds(f"{int(NOON) * 10**9:x}-")
    ids.last_number = 7
    later = ids.of_later_time(round(NOON * 1000) + 1)
    assert (later is ids, later.last_number) == (False, 7)
    assert ids.of_later_time(round(NOON * 1000)) is ids
    assert later.of_later_time(round(NOON * 1000)) is later
