"""Members that are always on belong to the room, not to a host."""

from __future__ import annotations

import pytest

from netd.listeners.chat.cluster.shared_state import save_shared
from netd.listeners.chat.room.settings import Account
from tests.cluster.replicated_room import ReplicatedRoomUnderTest

_DAY_S = 86400.0


@pytest.fixture
def room() -> ReplicatedRoomUnderTest:
    """Two hosts; their clients are on the first and the second one in turn."""
    accounts = {"anna": Account("Anna", "sesame")}
    return ReplicatedRoomUnderTest(
        on_both=True, always_on=True, absence_s=_DAY_S, accounts=accounts
    )


def test_a_member_stays_when_its_host_is_lost(room: ReplicatedRoomUnderTest) -> None:
    alice = room.join("alice", "away-notify")
    anna = room.join("anna", "batch", account="Anna")
    room.lose("two")
    assert alice.read() == [":anna!~anna@192.0.2.1 AWAY :Not connected"]
    room.check_equal()
    alice.send("PRIVMSG anna :are you there?")
    room.settle("two")
    assert ":anna!~anna@192.0.2.1 AWAY" in alice.read()
    assert anna.member is room.hosts.rooms["two"].state.members["anna"]
    anna.send("PRIVMSG #room :yes")
    assert alice.read()[-1].endswith(" PRIVMSG #room :yes")
    room.check_equal()


def test_a_member_returns_to_another_host(room: ReplicatedRoomUnderTest) -> None:
    alice = room.join("alice")
    anna = room.join("anna", account="Anna")
    room.leave(anna, "gone")
    alice.send("PRIVMSG anna :read this")
    room.load_anew("one", save_shared(room.hosts.rooms["two"].state))
    room.settle("one")
    room.hosts.place_next("one")
    client = room.connect()
    client.send("CAP REQ :sasl server-time", "AUTHENTICATE PLAIN")
    client.send("AUTHENTICATE AEFubmEAc2VzYW1l", "NICK anna2", "USER anna 0 * :a")
    shown = client.send("CAP END")
    assert any(line.endswith("JOIN #room") for line in shown)
    assert any(line.endswith(" PRIVMSG anna :read this") for line in shown)
    assert client.member.nick == "anna"
    room.check_equal()


def test_a_member_leaves_after_the_time_by_the_clock_of_the_log(
    room: ReplicatedRoomUnderTest,
) -> None:
    alice = room.join("alice")
    anna = room.join("anna", account="Anna")
    room.leave(anna, "gone")
    room.now += _DAY_S + 1
    alice.send("PRIVMSG #room :tomorrow")
    for host in room.hosts.rooms.values():
        assert "anna" not in host.state.members
    room.check_equal()
