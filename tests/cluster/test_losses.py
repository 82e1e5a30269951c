"""What the clients of a host see whose state was lost, or was thought to be."""

from __future__ import annotations

import pytest

from netd.listeners.chat.cluster.engine_contract import Loss
from netd.listeners.chat.cluster.recovering_room import RecoveringRoom
from netd.listeners.chat.cluster.room_input import InputKind, RoomInput, format_input
from netd.listeners.chat.cluster.shared_state import save_shared
from netd.listeners.chat.room.client_state import ClientState
from netd.listeners.chat.room.member import Client
from netd.listeners.chat.room.settings import RoomSettings
from tests.cluster.replicated_room import ReplicatedRoomUnderTest
from tests.listeners.chat.room.room_under_test import NOON


@pytest.fixture
def room() -> ReplicatedRoomUnderTest:
    """Two hosts; their clients are on the first and the second one in turn."""
    return ReplicatedRoomUnderTest(on_both=True)


def test_two_clients_that_are_not_let_in_again_see_each_other_leave_once(
    room: ReplicatedRoomUnderTest,
) -> None:
    alice, bob = room.join("alice"), room.join("bob")
    room.hosts.place_next("two")
    bert = room.join("bert")
    for client in (bob, bert):
        client.send("JOIN #own")
    room.lose("two")
    room.now += 1
    alice.send("JOIN #own", "MODE #own +i")
    bob.read()
    bert.read()
    room.settle("two")
    bobs = ":bob!~bob@192.0.2.1 PART #own :not let in again"
    assert [line for line in bob.read() if " PART " in line] == [bobs]
    assert [line for line in bert.read() if " PART " in line] == [bobs, bobs.replace("bob", "bert")]


def test_a_client_that_was_in_the_room_all_the_time_gets_changes_once(
    room: ReplicatedRoomUnderTest,
) -> None:
    alice, bob = room.join("alice"), room.join("bob")
    room.hosts.rooms["two"].suspend_all(Loss.FENCED)
    alice.send("PART #room")
    room.settle("two")
    assert bob.read() == [":alice!~alice@192.0.2.1 PART #room"]
    assert bob.codes("MODE #room") == ["324", "329"]


def test_a_client_is_informed_that_private_messages_can_be_lost(
    room: ReplicatedRoomUnderTest,
) -> None:
    alice, bob = room.join("alice"), room.join("bob")
    room.hosts.rooms["two"].suspend_all(Loss.GAP)
    room.load_anew("two", save_shared(room.state))
    alice.send("PRIVMSG bob :lost")
    room.settle("two")
    notice = ":irc.test NOTICE bob :Private messages to you of the last moments may be lost"
    assert bob.read() == [notice]
    room.check_equal()


def test_a_line_of_a_client_whose_arrival_was_lost_has_no_effect(
    room: ReplicatedRoomUnderTest,
) -> None:
    room.join("alice")
    bob = room.join("bob")
    bob.client.state = ClientState.REGISTERING
    number = int(bob.client.key.partition("/")[2])
    for kind, data in ((InputKind.LINE, b"NICK bobby"), (InputKind.VERDICT, b"")):
        room.hosts.log.append(("two", format_input(RoomInput(kind, number, data))))
    room.hosts.rooms["one"]._clients.pop(bob.client.key)
    room.apply([])
    assert bob.member.nick == "bob"
    assert not any(host.skipped for host in room.hosts.rooms.values())


def test_a_client_that_leaves_before_the_room_is_known_is_not_let_in() -> None:
    appended: list[bytes] = []
    room = RecoveringRoom(
        RoomSettings("irc.test"), NOON, "one", appended.append, lambda _: None, on_bug=print
    )
    left, stays = Client("192.0.2.1"), Client("192.0.2.1")
    for client in (left, stays):
        room.enter(client, NOON)
        for line in (b"NICK bob", b"USER bob 0 * :bob"):
            room.receive(client, line, NOON)
    room.leave(left, "gone", NOON)
    assert [client for client, _ in room.settle(NOON) if client] == [stays]
    assert len(appended) == 1
    assert room.complete(left, NOON) == []
