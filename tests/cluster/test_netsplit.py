"""A host leaves and returns: what its clients and those of the other host see."""

from __future__ import annotations

import re

import pytest

from netd.listeners.chat.cluster.room_input import InputKind, RoomInput, format_input
from netd.listeners.chat.cluster.shared_state import save_shared
from netd.listeners.chat.room.settings import RoomLimits
from tests.cluster.replicated_room import ReplicatedRoomUnderTest
from tests.listeners.chat.room.room_under_test import FakeClient

_REFERENCE = re.compile(r"(BATCH [+-]|batch=)[0-9a-z-]+")


@pytest.fixture
def room() -> ReplicatedRoomUnderTest:
    """Two hosts; their clients are on the first and the second one in turn."""
    return ReplicatedRoomUnderTest(on_both=True)


def _read(client: FakeClient) -> list[str]:
    return [_REFERENCE.sub(r"\1X", line) for line in client.read()]


def _both(
    room: ReplicatedRoomUnderTest, *caps: str, other_caps: tuple[str, ...] = ()
) -> tuple[FakeClient, FakeClient, FakeClient]:
    """A client on the first host, and two on the second one."""
    alice = room.join("alice", *caps)
    bob = room.join("bob", *other_caps)
    room.hosts.place_next("two")
    return alice, bob, room.join("bert", *other_caps)


def test_the_loss_of_a_host_is_one_batch(room: ReplicatedRoomUnderTest) -> None:
    alice, bob, bert = _both(room, "batch")
    room.lose("two")
    assert _read(alice) == [
        ":irc.test BATCH +X netsplit irc.test two",
        "@batch=X :bob!~bob@192.0.2.1 QUIT :the connection to its server was lost",
        "@batch=X :bert!~bert@192.0.2.1 QUIT :the connection to its server was lost",
        ":irc.test BATCH -X",
    ]
    assert not bob.read()
    assert not bert.read(), "they were lost together"
    room.check_equal()


def test_a_client_without_batches_gets_the_bare_lines(room: ReplicatedRoomUnderTest) -> None:
    alice, *_ = _both(room)
    room.lose("two")
    assert [line.split(" ")[1] for line in alice.read()] == ["QUIT", "QUIT"]
    room.settle("two")
    assert [line.split(" ")[1] for line in alice.read()] == ["JOIN", "JOIN"]


def test_the_return_of_a_host_is_one_batch(room: ReplicatedRoomUnderTest) -> None:
    alice, bob, bert = _both(room, "batch", "away-notify", "extended-join")
    bob.send("AWAY :at lunch", "MODE bob +i")
    alice.send("MODE #room +o bob")
    room.lose("two")
    for client in (alice, bob, bert):
        client.read()
    room.settle("two")
    assert _read(alice) == [
        ":irc.test BATCH +X netjoin irc.test two",
        "@batch=X :bob!~bob@192.0.2.1 JOIN #room * :bob real",
        "@batch=X :bert!~bert@192.0.2.1 JOIN #room * :bert real",
        ":irc.test BATCH -X",
        ":irc.test MODE #room +o bob",
        ":bob!~bob@192.0.2.1 AWAY :at lunch",
    ]
    assert not bob.read(), "nothing has changed for it"
    assert not bert.read()
    member = room.hosts.rooms["one"].state.members["bob"]
    assert (member.away, member.modes) == ("at lunch", frozenset("i"))
    room.check_equal()
    bob.send("PRIVMSG #room :back")
    assert alice.read()[-1].endswith("PRIVMSG #room :back")


def test_its_clients_get_what_they_have_missed(room: ReplicatedRoomUnderTest) -> None:
    alice, bob, _ = _both(room, other_caps=("batch", "server-time", "message-tags"))
    alice.send("PRIVMSG #room :before")
    bob.read()
    room.lose("two")
    room.hosts.place_next("one")
    carol = room.join("carol")
    alice.send("PRIVMSG #room :meanwhile", "TOPIC #room :we split", "MODE #room +m")
    carol.send("PRIVMSG #room :unheard")
    assert not bob.read()
    room.settle("two")
    [joined, topic, modes, start, said, end] = [
        line.partition(" :")[2] if line[0] == "@" and " :" in line else line for line in _read(bob)
    ]
    assert joined == "carol!~carol@192.0.2.1 JOIN #room"
    assert topic == "alice!~alice@192.0.2.1 TOPIC #room :we split"
    assert modes == "irc.test 324 bob #room +mnt"
    assert start == "irc.test BATCH +X chathistory #room"
    assert said == "alice!~alice@192.0.2.1 PRIVMSG #room :meanwhile"
    assert end == "irc.test BATCH -X"
    room.check_equal()


def test_a_nick_that_was_taken_is_lost(room: ReplicatedRoomUnderTest) -> None:
    alice, bob, bert = _both(room)
    room.lose("two")
    alice.send("NICK bob")
    for client in (alice, bob, bert):
        client.read()
    room.settle("two")
    assert bob.read() == [
        ":alice!~alice@192.0.2.1 PART #room",
        ":bob!~bob@192.0.2.1 NICK bob_",
        ":bob!~alice@192.0.2.1 JOIN #room",
        ":irc.test MODE #room +o bob",
    ]
    assert ":bob!~bob@192.0.2.1 NICK bob_" in bert.read()
    assert ":bob_!~bob@192.0.2.1 JOIN #room" in alice.read()
    room.check_equal()


def test_the_lines_of_a_client_wait_until_it_has_returned(room: ReplicatedRoomUnderTest) -> None:
    _, bob, _ = _both(room)
    room.lose("two")
    assert bob.client.must_wait
    room.hosts.is_held = True
    room.settle("two")
    assert bob.client.must_wait
    room.hosts.is_held = False
    room.apply(())
    assert not bob.client.must_wait


def test_a_channel_that_was_only_there_is_as_it_was(room: ReplicatedRoomUnderTest) -> None:
    alice, bob, bert = _both(room)
    bob.send("JOIN #own", "MODE #own +ik secret", "TOPIC #own :ours", "PRIVMSG #own :hello")
    bob.send("MODE #own +b *!*@spam.example", "INVITE bert #own")
    bert.send("JOIN #own secret")
    room.lose("two")
    assert "#own" not in room.hosts.rooms["one"].state.channels
    for client in (alice, bob, bert):
        client.read()
    room.settle("two")
    channel = room.hosts.rooms["one"].state.channels["#own"]
    assert channel.modes == {"n": "", "t": "", "i": "", "k": "secret"}
    assert [(member.nick, status) for member, status in channel.members.items()] == [
        ("bob", "o"),
        ("bert", ""),
    ]
    assert channel.topic is not None
    assert len(channel.lists["b"]) == 1
    assert len(channel.history.entries) == 2, "topic and message"
    room.check_equal()


def test_a_channel_that_was_made_again_is_another_one(room: ReplicatedRoomUnderTest) -> None:
    alice, bob, _ = _both(room)
    bob.send("JOIN #own")
    room.lose("two")
    room.now += 1
    alice.send("JOIN #own", "MODE #own +i")
    bob.read()
    room.settle("two")
    assert ":bob!~bob@192.0.2.1 PART #own :not let in again" in bob.read()
    room.check_equal()


def test_lines_in_a_channel_that_is_gone_are_sent(room: ReplicatedRoomUnderTest) -> None:
    alice, bob, _ = _both(room)
    room.lose("two")
    alice.send("PRIVMSG #room :the last words")
    room.lose("one")
    room.leave(alice, "gone")
    room.now += 1
    room.hosts.place_next("one")
    room.join("carol").send("PRIVMSG #room :the first words")
    bob.read()
    room.settle("two")
    said = [line.rpartition("] ")[2] for line in bob.read() if " PRIVMSG " in line]
    assert said == ["the last words", "the first words"]
    room.check_equal()


def test_a_client_that_leaves_meanwhile_does_not_return(room: ReplicatedRoomUnderTest) -> None:
    _, bob, _ = _both(room)
    room.lose("two")
    room.leave(bob, "gone")
    room.settle("two")
    for host in room.hosts.rooms.values():
        assert "bob" not in host.state.members
        assert "bert" in host.state.members
    room.check_equal()


def test_a_client_that_leaves_while_it_returns_is_not_there(room: ReplicatedRoomUnderTest) -> None:
    _, bob, _ = _both(room)
    room.lose("two")
    [*_] = room.hosts.settle("two", room.now)  # its return is in the log, and not applied
    room.leave(bob, "gone")
    for host in room.hosts.rooms.values():
        assert "bob" not in host.state.members
    room.check_equal()


def test_lines_that_are_not_in_the_log_are_handled_after_the_return(
    room: ReplicatedRoomUnderTest,
) -> None:
    alice, bob, _ = _both(room)
    room.lose("two")
    number = int(bob.client.key.rpartition("/")[2])
    lines = (b"PRIVMSG #room :patience", b"NAMES #room")
    room.hosts.rooms["two"].give_back(
        format_input(RoomInput(InputKind.LINE, number, line)) for line in lines
    )
    room.settle("two")
    assert ":bob!~bob@192.0.2.1 PRIVMSG #room :patience" in alice.read()
    assert ":irc.test 353 bob = #room :@alice bob bert" in bob.read()
    room.check_equal()


def test_a_host_that_loads_the_room_again_tells_its_clients_the_changes(
    room: ReplicatedRoomUnderTest,
) -> None:
    _, bob, _ = _both(room)
    room.hosts.place_next("one")
    carol = room.join("carol")
    del carol
    state = save_shared(room.hosts.rooms["one"].state)
    room.load_anew("two", state)
    room.settle("two")
    assert not bob.read()
    room.check_equal()
    bob.send("PRIVMSG #room :hi")
    room.check_equal()


def test_more_is_sent_than_the_history_holds() -> None:
    room = ReplicatedRoomUnderTest(on_both=True, limits=RoomLimits(history_lines=2))
    alice, bob, _ = _both(room)
    room.lose("two")
    alice.send(*(f"PRIVMSG #room :{number}" for number in range(10)))
    bob.read()
    room.settle("two")
    said = [line.rpartition("] ")[2] for line in bob.read() if " PRIVMSG " in line]
    assert said == [str(number) for number in range(10)]


def test_a_client_is_informed_if_not_all_can_be_sent() -> None:
    limits = RoomLimits(history_lines=2, ghost_bytes=2000)
    room = ReplicatedRoomUnderTest(on_both=True, limits=limits)
    alice, bob, _ = _both(room)
    room.lose("two")
    alice.send(*(f"PRIVMSG #room :{number}" for number in range(10)))
    bob.read()
    room.settle("two")
    notice, *said = bob.read()
    assert notice == ":irc.test NOTICE #room :Some of what was said here meanwhile is not sent"
    assert [line[-1] for line in said] == ["4", "5", "6", "7", "8", "9"]


def test_status_that_was_lost_is_reported_to_all(room: ReplicatedRoomUnderTest) -> None:
    alice, bob, bert = _both(room)
    alice.send("MODE #room +o bob")
    room.lose("two")
    room.leave(alice, "gone")  # and the channel with it
    room.now += 1
    room.hosts.place_next("one")
    room.join("carol")
    for client in (bob, bert):
        client.read()
    room.settle("two")
    for client in (bob, bert):
        assert ":irc.test MODE #room -o bob" in client.read()
    room.check_equal()


def test_a_client_leaves_while_the_room_is_loaded_again(room: ReplicatedRoomUnderTest) -> None:
    _, bob, _ = _both(room)
    state = save_shared(room.hosts.rooms["one"].state)
    room.load_anew("two", state)
    room.leave(bob, "gone")
    room.settle("two")
    for host in room.hosts.rooms.values():
        assert "bob" not in host.state.members
    room.check_equal()


def test_monitored_members_that_were_lost_with_a_client_stay(room: ReplicatedRoomUnderTest) -> None:
    _, bob, bert = _both(room)
    room.hosts.place_next("one")
    carol = room.join("carol")
    bob.send("MONITOR + bert,carol")
    bert.send("MONITOR + bob")
    room.lose("two")
    room.leave(carol, "gone")
    room.settle("two")
    assert [line for line in bob.read() if " 73" in line] == [":irc.test 731 bob carol"]
    room.lose("two")
    [*_] = room.hosts.settle("two", room.now)  # its return is in the log, and not applied
    room.leave(bob, "gone")
    assert [line for line in bert.read() if " 73" in line] == [":irc.test 731 bert bob"]
    room.check_equal()


def test_a_client_whose_entry_was_given_back_is_lost_once(room: ReplicatedRoomUnderTest) -> None:
    _both(room)
    room.lose("two")
    room.hosts.is_held = True
    room.hosts.place_next("two")
    dora = room.connect()
    dora.send("NICK dora", "USER dora 0 * :x")
    payloads = [payload for _, payload in room.hosts.log]
    room.hosts.log.clear()
    room.hosts.rooms["two"].give_back(payloads)
    room.hosts.is_held = False
    room.settle("two")
    assert "dora" in room.hosts.rooms["one"].state.members
    room.lose("two")
    assert "dora" not in room.hosts.rooms["two"].state.members
    room.check_equal()
