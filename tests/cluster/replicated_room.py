"""Two hosts with one room: clients connect to them in turn, and see what they would see on one."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from netd.listeners.chat.cluster.digest import shared_state
from netd.listeners.chat.cluster.log_entry import EntryKind, LogEntry
from netd.listeners.chat.cluster.log_position import Position
from netd.listeners.chat.cluster.recovering_room import RecoveringRoom
from netd.listeners.chat.room.effect import Effect
from netd.listeners.chat.room.encoded_message import MessageIds
from netd.listeners.chat.room.member import Client, Member
from netd.listeners.chat.room.room import Room
from netd.listeners.chat.room.settings import RoomSettings
from netd.protocols.lines import Line
from netd.protocols.password import Verdict
from tests.listeners.chat.room.room_under_test import NOON, RoomUnderTest
from tests.listeners.chat.room.scene import Scene

NODES = ("one", "two")


def may_be_on_both(scene: Scene) -> bool:
    """Whether no client in it is lost, which returns to its own host."""
    has_loss = any(line.startswith("! ") for line in scene.lines)
    return not (has_loss or scene.title.startswith("ghost:"))


def _raise(error: Exception) -> None:
    raise error


class Hosts(Room):
    """The rooms of all hosts, as if they were one; each client is passed to its own."""

    def __init__(self, settings: RoomSettings, *, on_both: bool) -> None:
        self.log: deque[tuple[str, bytes]] = deque()
        self.past: list[bytes] = []
        """All inputs that were ever in the log."""
        self.entries: list[LogEntry] = []
        """The log."""
        self.epoch = 1
        self.is_held = False
        """Whether nothing is applied for the moment."""
        self._reads: deque[tuple[RecoveringRoom, Client]] = deque()
        self.rooms = {name: self._make(name, settings) for name in NODES}
        self._first, *_ = self.rooms.values()
        self.state = self._first.state
        self._host_of: dict[Client, RecoveringRoom] = {}
        self._hosts_in_turn = itertools.cycle(self.rooms.values() if on_both else [self._first])
        self._next_host: RecoveringRoom | None = None

    def _make(self, name: str, settings: RoomSettings) -> RecoveringRoom:
        def append(payload: bytes) -> None:
            self.log.append((name, payload))
            self.past.append(payload)

        def when_current(client: Client) -> None:
            self._reads.append((self.rooms[name], client))

        room = RecoveringRoom(settings, NOON, name, append, when_current, on_bug=_raise)
        room.state.ids = MessageIds("id")
        assert not [*room.settle(NOON)]  # its log was read: it is empty
        return room

    def place_next(self, node: str) -> None:
        """Connect the next client to this host."""
        self._next_host = self.rooms[node]

    def host_of(self, client: Client) -> RecoveringRoom:
        """The room of a client's host."""
        return self._host_of[client]

    def enter(self, client: Client, now: float) -> list[Effect]:
        room = self._host_of[client] = self._next_host or next(self._hosts_in_turn)
        self._next_host = None
        return room.enter(client, now)

    def receive(self, client: Client, line: Line, now: float) -> list[Effect]:
        return self.host_of(client).receive(client, line, now)

    def resume(self, client: Client, now: float) -> list[Effect]:
        return self.host_of(client).resume(client, now)

    def verified(
        self, client: Client, now: float, verdict: Verdict, result: str = ""
    ) -> list[Effect]:
        return self.host_of(client).verified(client, now, verdict, result)

    def leave(self, client: Client, reason: str, now: float) -> list[Effect]:
        return self.host_of(client).leave(client, reason, now)

    def suspend(self, client: Client, reason: str, now: float, unsent: bytes = b"") -> bool:
        return self.host_of(client).suspend(client, reason, now, unsent)

    def expire_ghost(self, client: Client, now: float) -> list[Effect]:
        return self.host_of(client).expire_ghost(client, now)

    def expire_absent(self, member: Member, now: float) -> list[Effect]:
        return [
            effect for room in self.rooms.values() for effect in room.expire_absent(member, now)
        ]

    def configure(self, settings: RoomSettings, now: float) -> list[Effect]:
        return [effect for room in self.rooms.values() for effect in room.configure(settings, now)]

    def expire_bans(self, now: float) -> list[Effect]:
        entry = self._make_entry("one", now)
        outcomes = [outcome for room in self.rooms.values() for outcome in room.apply(entry)]
        return [effect for _, effects in outcomes for effect in effects]

    def _make_entry(
        self, node: str, now: float, *inputs: bytes, kind: EntryKind = EntryKind.INPUTS
    ) -> LogEntry:
        position = Position(self.epoch, len(self.entries) + 2)
        self.entries.append(LogEntry(position, kind, node, "", round(now * 1000), 1, inputs))
        return self.entries[-1]

    def lose(self, node: str, now: float) -> Iterator[list[Effect]]:
        """Report to all hosts, also to itself, that a node was removed."""
        entry = self._make_entry(node, now, kind=EntryKind.LOST)
        for room in self.rooms.values():
            yield from (effects for _, effects in room.apply(entry))

    def settle(self, node: str, now: float) -> Iterator[list[Effect]]:
        """Have the clients of a node that was removed return."""
        room = self.rooms[node]
        touched = []
        for client, effects in room.settle(now):
            yield effects
            touched.append(client)
        yield from (effects for _, effects in room.release(filter(None, touched), now))

    def apply_log(self, now: float) -> Iterator[list[Effect]]:
        """Apply what is in the log on all hosts, until nothing waits; returns all effects."""
        while (self.log or self._reads) and not self.is_held:
            yield from self._apply_entries(now)
            if self._reads:
                room, reader = self._reads.popleft()
                for _, effects in room.read_now(reader, now):
                    yield effects

    def _apply_entries(self, now: float) -> Iterator[list[Effect]]:
        while self.log:
            name, payload = self.log.popleft()
            payloads = [payload]
            while self.log and self.log[0][0] == name:
                payloads.append(self.log.popleft()[1])
            entry = self._make_entry(name, now, *payloads)
            for room in self.rooms.values():
                touched = []
                for client, effects in room.apply(entry):
                    yield effects
                    touched.append(client)
                clients = [client for client in touched if client is not None]
                for _, effects in room.release(clients, now):
                    yield effects


class ReplicatedRoomUnderTest(RoomUnderTest):
    """As a RoomUnderTest, but with two hosts; its clients are on both, in turn, or on the first."""

    def __init__(self, *, on_both: bool, **settings: Any) -> None:
        super().__init__(**settings)
        self.hosts = Hosts(RoomSettings("irc.test", **settings), on_both=on_both)
        self.core = self.hosts

    def apply(self, effects: Iterable[Effect]) -> None:
        super().apply(effects)
        for more in self.hosts.apply_log(self.now):
            super().apply(more)

    def lose(self, node: str) -> None:
        """Remove a node from the room, whose clients stay connected to it."""
        for effects in self.hosts.lose(node, self.now):
            self.apply(effects)

    def settle(self, node: str) -> None:
        """Have the clients of a node that was removed return."""
        for effects in [*self.hosts.settle(node, self.now), []]:
            self.apply(effects)

    def load_anew(self, node: str, state: bytes) -> None:
        """Have a node load a state, as after a loss, and apply the log."""
        for _ in self.hosts.rooms[node].begin(state, self.now):
            pass

    def check_equal(self) -> None:
        """Compare the hosts' rooms."""
        first, *others = [shared_state(room.state) for room in self.hosts.rooms.values()]
        for other in others:
            assert other == first
