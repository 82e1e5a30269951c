"""A token (RESUME) is looked up when a host has read all that was in the log when it came."""

from __future__ import annotations

import pytest

from netd.listeners.chat.cluster.recovering_room import RecoveringRoom
from netd.listeners.chat.room.client_state import ClientState
from netd.listeners.chat.room.commands.elsewhere import CLIENTS_PER_WORK
from netd.listeners.chat.room.effect import Send
from netd.listeners.chat.room.saved_room import load_room, save_room
from tests.cluster.replicated_room import ReplicatedRoomUnderTest
from tests.listeners.chat.room.room_under_test import NOON, FakeClient

REFUSAL = ":irc.test FAIL RESUME INVALID_TOKEN :No place is kept for this token"
RESUME = "CAP REQ netd.dev/resume"
LINES = ("NICK bob", "USER bob 0 * :bob", "CAP END")


@pytest.fixture
def room() -> ReplicatedRoomUnderTest:
    """Two hosts."""
    return ReplicatedRoomUnderTest(on_both=True)


def _connect(room: ReplicatedRoomUnderTest, node: str, *lines: str) -> FakeClient:
    room.hosts.place_next(node)
    client = room.connect()
    client.send(RESUME, *lines)
    return client


def _hold(room: ReplicatedRoomUnderTest, *, held: bool) -> None:
    """Have no host read the log, or all of them."""
    room.hosts.is_held = held
    room.apply([])


def test_a_client_that_another_host_has_let_in_is_known(room: ReplicatedRoomUnderTest) -> None:
    _hold(room, held=True)
    bob = _connect(room, "one", *LINES)
    again = _connect(room, "two", "RESUME token1")
    assert again.read() == []
    _hold(room, held=False)
    assert bob.client.is_registered
    assert "001" in again.codes(*LINES)
    assert again.member.nick == "bob"
    assert "Another connection resumes this one" in bob.closed
    room.check_equal()


def test_a_used_token_is_not_good_on_the_host_of_the_lost_client(
    room: ReplicatedRoomUnderTest,
) -> None:
    bob = _connect(room, "one", *LINES)
    room.suspend(bob, "lost")
    again = _connect(room, "two", "RESUME token1")
    _hold(room, held=True)
    again.send(*LINES)
    late = _connect(room, "one", "RESUME token1")
    assert late.read() == []
    _hold(room, held=False)
    assert again.client.is_registered
    assert late.read() == [REFUSAL]
    assert "433" in late.codes(*LINES)
    assert not again.closed
    room.check_equal()


def test_a_client_that_returns_from_another_address_is_the_same_on_all_hosts(
    room: ReplicatedRoomUnderTest,
) -> None:
    bob = _connect(room, "one", *LINES)
    room.suspend(bob, "lost")
    room.hosts.place_next("one")
    again = room.connect("198.51.100.1", local_user="bob")
    again.send(RESUME, "RESUME token1", *LINES)
    assert again.client in bob.member.clients
    room.check_equal()


def test_the_log_decides_who_has_a_place(room: ReplicatedRoomUnderTest) -> None:
    _connect(room, "one", *LINES)
    first, second = [_connect(room, "two", "RESUME token1") for _ in range(2)]
    _hold(room, held=True)
    for client in (first, second):
        assert client.send(*LINES) == []
    _hold(room, held=False)
    assert first.client.is_registered
    assert second.read()[0] == REFUSAL
    assert not second.client.is_registered, "its nick is that of the first one"
    assert "001" in second.codes("NICK bobby")
    room.check_equal()


def test_without_an_engine_only_known_tokens_are_decided(room: ReplicatedRoomUnderTest) -> None:
    bob = _connect(room, "one", *LINES)
    host = room.hosts.rooms["two"]
    _hold(room, held=True)
    known, unknown = (_connect(room, "two", f"RESUME {token}") for token in ("token1", "token0"))
    for client in (known, unknown):
        for _, effects in host.read_now(client.client, NOON, is_current=False):
            room.apply(effects)
    assert not known.client.must_wait
    assert unknown.client.must_wait
    room.leave(bob, "gone")
    _hold(room, held=False)
    assert unknown.read() == [REFUSAL]


def test_the_search_for_a_token_is_charged(room: ReplicatedRoomUnderTest) -> None:
    for number in range(3 * CLIENTS_PER_WORK):
        _connect(room, "one", f"NICK c{number}", *LINES[1:])
    _hold(room, held=True)
    waiting = _connect(room, "two", "RESUME token0")
    waiting.client.work = 0
    _hold(room, held=False)
    assert waiting.read() == [REFUSAL]
    assert waiting.client.work >= 3


def test_a_client_that_was_removed_meanwhile_gets_nothing(room: ReplicatedRoomUnderTest) -> None:
    _hold(room, held=True)
    waiting = _connect(room, "two", "RESUME token0", *LINES[:2])
    waiting.client.state = ClientState.GONE
    _hold(room, held=False)
    assert waiting.read() == []
    assert [*room.hosts.settle("two", room.now)] == []


@pytest.mark.parametrize("is_late", [False, True])
def test_another_process_looks_up_a_token(room: ReplicatedRoomUnderTest, *, is_late: bool) -> None:
    _hold(room, held=True)
    waiting = _connect(room, "two", "RESUME token0", *LINES[:2])
    if is_late:
        room.leave(waiting, "gone")
    saved = save_room(room.hosts.rooms["two"].state)
    settings = room.state.settings
    successor = RecoveringRoom(
        settings,
        NOON,
        "two",
        lambda _: None,
        lambda _: None,
        on_bug=lambda error: pytest.fail(repr(error)),
    )
    successor.replace(load_room(saved, settings, NOON).state)
    data = [
        effect.data
        for _, effects in successor.settle(NOON)
        for effect in effects
        if isinstance(effect, Send)
    ]
    assert (f"{REFUSAL}\r\n".encode() in data) is not is_late
