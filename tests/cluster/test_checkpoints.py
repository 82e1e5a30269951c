"""Checks of a room in a child process: digests, snapshots, and rooms that differ."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from netd.errors import StateError
from netd.listeners.chat.cluster.checkpoints import Checkpoints
from netd.listeners.chat.cluster.digest import FORM, digest
from netd.listeners.chat.cluster.log_position import Position
from netd.listeners.chat.cluster.shared_state import load_shared, save_shared
from netd.listeners.chat.room.room import Room
from netd.listeners.chat.room.saved_room import complete
from netd.listeners.chat.room.settings import RoomSettings
from netd.runtime.loop import Loop
from netd.runtime.poller import EpollPoller
from tests.listeners.chat.room.room_under_test import NOON

OTHER = f"{FORM}:other"
"""A digest of another room."""


class Host:
    """A room, and what its checkpoints have reported."""

    def __init__(self, loop: Loop) -> None:
        self.room = Room(RoomSettings(server_name="one.example"), NOON, "")
        self.kept: list[tuple[int, str, bytes]] = []
        self.drifts = 0
        self.checkpoints = Checkpoints(loop, on_kept=self._on_kept, on_drift=self._on_drift)

    def _on_kept(self, position: Position, text: str, state: bytes) -> None:
        self.kept.append((position.number, text, state))

    def _on_drift(self) -> None:
        self.drifts += 1


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop(EpollPoller())
    yield loop
    loop.close()


def test_a_snapshot_is_of_the_room_as_it_was_at_the_entry(loop: Loop) -> None:
    host = Host(loop)
    state = host.room.state
    before = digest(state)
    host.checkpoints.check(Position(1, 7), state, keeps=True)
    state.open_channel("#later", NOON)
    while not host.kept:
        loop.turn()
    [(number, text, saved)] = host.kept
    assert (number, text) == (7, before)
    loaded = complete(load_shared(saved, state.settings, NOON))
    assert digest(loaded) == before != digest(state)


def test_rooms_that_differ_are_noticed_whichever_digest_comes_first(loop: Loop) -> None:
    for is_first in (True, False):
        host = Host(loop)
        if is_first:
            host.checkpoints.compare(7, OTHER)
        host.checkpoints.check(Position(1, 7), host.room.state, keeps=True)
        while not host.kept:
            loop.turn()
        host.checkpoints.compare(7, OTHER)
        assert host.drifts == 1


@pytest.mark.parametrize(
    ("number", "kept"),
    [(7, ""), (6, OTHER), (7, "0:of another version")],
    ids=["equal", "another entry", "another version"],
)
def test_rooms_that_are_equal_or_cannot_be_compared(loop: Loop, number: int, kept: str) -> None:
    host = Host(loop)
    host.checkpoints.check(Position(1, 7), host.room.state, keeps=True)
    while not host.kept:
        loop.turn()
    host.checkpoints.compare(number, kept or digest(host.room.state))
    assert host.drifts == 0


def test_a_check_that_is_given_up_reports_nothing(loop: Loop) -> None:
    host = Host(loop)
    host.checkpoints.check(Position(1, 7), host.room.state, keeps=True)
    host.checkpoints.check(Position(1, 8), host.room.state, keeps=True)  # left out
    host.checkpoints.cancel()
    host.checkpoints.check(Position(1, 9), host.room.state, keeps=True)
    while not host.kept:
        loop.turn()
    assert [number for number, _, _ in host.kept] == [9]


def test_a_digest_from_before_the_state_was_lost_is_not_compared(loop: Loop) -> None:
    host = Host(loop)
    host.checkpoints.compare(7, OTHER)
    host.checkpoints.cancel()
    host.checkpoints.check(Position(2, 7), host.room.state, keeps=True)  # of another entry 7
    while not host.kept:
        loop.turn()
    assert host.drifts == 0


def test_a_malformed_snapshot_is_refused(loop: Loop) -> None:
    room = Host(loop).room.state
    for data in (b"", b"{}", b"x\x9c", save_shared(room)[:-20]):
        with pytest.raises(StateError):
            complete(load_shared(data, room.settings, NOON))
