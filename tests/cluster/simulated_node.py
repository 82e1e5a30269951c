"""A host of a simulation, and the engine: the log without processes, connections and time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from netd.listeners.chat.cluster.append_queue import AppendQueue
from netd.listeners.chat.cluster.engine_contract import Loss
from netd.listeners.chat.cluster.incarnations import Incarnations
from netd.listeners.chat.cluster.log_entry import EntryKind, LogEntry
from netd.listeners.chat.cluster.log_position import Position, is_rewound
from netd.listeners.chat.cluster.recovering_room import RecoveringRoom
from netd.listeners.chat.cluster.shared_state import save_shared
from netd.listeners.chat.room.effect import Broadcast, Close, Effect, Send
from netd.listeners.chat.room.member import Client
from netd.listeners.chat.room.settings import RoomLimits, RoomSettings
from tests.cluster.believer import Believer
from tests.listeners.chat.room.room_under_test import NOON

_SETTINGS: Final = RoomSettings("irc.test", limits=RoomLimits(history_lines=5))
_CAPS: Final = "message-tags echo-message server-time multi-prefix"


@dataclass
class _Present:
    incarnation: str
    sequence: int = 0


_Nodes = dict[str, _Present]


def _copy(nodes: _Nodes) -> _Nodes:
    return {name: replace(present) for name, present in nodes.items()}


class SimulatedEngine:
    """The log, and what the scripts of the engine do with it."""

    def __init__(self) -> None:
        self.now = NOON
        self.entries: list[LogEntry] = []
        self.nodes: _Nodes = {}
        self.gone: _Nodes = {}
        """The nodes that were removed, until they join again."""
        self.snapshot: tuple[int, bytes] = (0, b"")
        """The number of its entry, and the state."""
        self.trimmed = 0
        """The number of the last entry that was removed."""
        self.epoch, self.base = round(NOON * 1000), 0
        """The present epoch, and the number of the last entry before it."""
        self.messages: dict[int, int] = {}
        """The position of the last message by the number of the entry, as far as one was read."""
        self.lost: list[tuple[int, int]] = []
        """The first and the last position of messages that were lost."""
        self._past: list[tuple[int, _Nodes, _Nodes, tuple[int, bytes], int]] = []

    def _remember(self) -> None:
        nodes, gone = _copy(self.nodes), _copy(self.gone)
        self._past.append((len(self.entries), nodes, gone, self.snapshot, self.trimmed))

    def rewind(self, count: int) -> None:
        """Lose the last changes, as after the failure of a machine, and begin an epoch."""
        if count >= len(self._past):
            return
        del self._past[-count:]
        self.base, nodes, gone, self.snapshot, self.trimmed = self._past[-1]
        self.nodes, self.gone = _copy(nodes), _copy(gone)
        del self.entries[self.base :]
        known = [at for number, at in self.messages.items() if number <= self.base]
        self.lost.append((max(known, default=0), max(self.messages.values(), default=0)))
        self.messages = {number: at for number, at in self.messages.items() if number <= self.base}
        self.now += 0.05
        self.epoch = max(self.epoch + 1, round(self.now * 1000))

    def has_lost(self, position: int) -> bool:
        """Whether a message was lost by a rewind."""
        return any(first < position <= last for first, last in self.lost)

    def keep(self, number: int, state: bytes, trimmed: int) -> None:
        """Keep a snapshot, and remove entries."""
        self.snapshot, self.trimmed = (number, state), max(self.trimmed, trimmed)
        self._remember()

    def add(self, kind: EntryKind, node: str, first: int = 0, *inputs: bytes) -> None:
        """Append an entry."""
        self.now += 0.05
        incarnation = self.nodes[node].incarnation
        position = Position(self.epoch, len(self.entries) + 1)
        time_ms = round(self.now * 1000)
        self.entries.append(LogEntry(position, kind, node, incarnation, time_ms, first, inputs))

    def append(self, node: str, incarnation: str, first: int, payloads: Iterable[bytes]) -> bool:
        """Append the inputs that the log does not have; False if the node is not in the room."""
        present = self.nodes.get(node)
        if present is None or present.incarnation != incarnation:
            return False
        if first > present.sequence + 1:
            return False
        new = [*payloads][present.sequence - first + 1 :]
        if new:
            self.add(EntryKind.INPUTS, node, present.sequence + 1, *new)
            present.sequence += len(new)
            self._remember()
        return True

    def remove(self, node: str) -> None:
        """Remove a node that has passed its deadline."""
        if node in self.nodes:
            self.add(EntryKind.LOST, node)
            self.gone[node] = self.nodes.pop(node)
            self._remember()

    def join(self, node: str, incarnation: str) -> _Present | None:
        """Add a node as a new incarnation; returns what it was before."""
        self.remove(node)
        before = self.gone.pop(node, None)
        self.nodes[node] = _Present(incarnation)
        self.add(EntryKind.JOINED, node)
        self._remember()
        return before


def _raise(error: Exception) -> None:
    raise error


class SimulatedNode:
    """One host: its room, its clients, and its part in the log (`Engine` without connections)."""

    def __init__(self, name: str, engine: SimulatedEngine) -> None:
        self.name = name
        self._engine = engine
        self.believers: dict[Client, Believer] = {}
        self._reads: list[Client] = []
        self._queue = AppendQueue()
        self._incarnations = Incarnations()
        self._joined = 0
        self.applied = self._epoch = 0  # of the last entry that was applied
        self.is_connected = self._is_available = False
        self.room = RecoveringRoom(
            _SETTINGS, NOON, name, self._append, self._reads.append, on_bug=_raise
        )
        self.connect()
        self.read()

    def _append(self, payload: bytes) -> None:
        self._queue.add(payload, 0.0)

    # The engine.

    def cut(self) -> None:
        """Lose the connections."""
        self.is_connected = self._is_available = False

    def connect(self) -> None:
        """Connect to the engine, and join if this is no node."""
        if self.is_connected:
            return
        self.is_connected = True
        position = Position(self._epoch, self.applied)
        if is_rewound(position, self._engine.epoch, self._engine.base):
            self._incarnations.lose()
            self.load(Loss.REWOUND)
        if self._incarnations.present:
            before, name = self._engine.nodes.get(self.name), self._incarnations.present
        else:
            self._joined += 1
            name = f"{self.name}{self._joined}"
            before = self._engine.join(self.name, name)
        is_own = before is not None and self._incarnations.is_own(before.incarnation)
        self._queue.note_logged(before.sequence if before is not None and is_own else 0)
        self._incarnations.join(name)
        self._queue.send_again()

    def read(self, count: int = 1 << 30) -> None:
        """Apply some entries; at the end of the log the node is available."""
        if not self.is_connected:
            return
        if self.applied < self._engine.trimmed or self._is_elsewhere():
            self.load(Loss.GAP)
        for entry in self._engine.entries[self.applied : self.applied + count]:
            self._take(entry)
        if self.applied == len(self._engine.entries):
            if not self._is_available:
                self._is_available = True
                self._queue.confirm_logged()
                self.carry_out(self.room.settle(self._engine.now))
                for believer in self.believers.values():
                    for gap in believer.gaps:
                        gap[1] = min(gap[1], self.room.state.ids.position)
            self._read_now()

    def _is_elsewhere(self) -> bool:
        """Whether the last entry that was applied was lost, and another one has its number."""
        entries = self._engine.entries[: self.applied]
        return bool(entries) and entries[-1].position.epoch != self._epoch

    def _note_away(self) -> None:
        for client, believer in self.believers.items():
            if client not in self.room._returns:
                believer.away_since = self.room.state.ids.position

    def load(self, loss: Loss) -> None:
        """Lose the state, and load the snapshot."""
        self._is_available = False
        self.room.suspend_all(loss)
        number, state = self._engine.snapshot
        self._note_away()
        last = self.room.state.ids.position
        for believer in self.believers.values():
            believer.gaps.append([last, 1 << 63])
        for _ in self.room.begin(state, self._engine.now):
            pass
        self.applied = number
        self._epoch = self._engine.entries[number - 1].position.epoch if number else 0

    def be_drifted(self) -> None:
        """Load the room again, as it differs from that of the other hosts."""
        if self.is_connected:
            self.load(Loss.DRIFTED)
            self.cut()

    def _read_now(self) -> None:
        while self._reads:
            self.carry_out(self.room.read_now(self._reads.pop(0), self._engine.now))

    def _take(self, entry: LogEntry) -> None:
        self.applied, self._epoch = entry.position.number, entry.position.epoch
        if entry.inputs and self._incarnations.is_own(entry.incarnation):
            self._queue.confirm(entry.first + len(entry.inputs) - 1)
        if entry.kind is EntryKind.LOST and entry.node == self.name:
            self._note_away()
        self.carry_out(self.room.apply(entry))
        self._engine.messages[self.applied] = self.room.state.ids.position
        if self._incarnations.has_rejoined(entry):
            self._queue.confirm_logged()
            payloads, self._queue = self._queue.payloads(), AppendQueue()
            self._incarnations.forget_former()
            self.room.give_back(payloads)

    def flush(self) -> None:
        """Send what waits; a node that was removed notices it."""
        while self._is_available and (batch := self._queue.next_batch()) is not None:
            head = (self.name, self._incarnations.present, batch.first)
            if not self._engine.append(*head, batch.payloads):
                self._be_fenced()

    def _be_fenced(self) -> None:
        self._incarnations.lose()
        self.room.suspend_all(Loss.FENCED)
        self.cut()

    def renew(self) -> None:
        """Renew the deadline; a node that was removed notices it."""
        present = self._engine.nodes.get(self.name)
        is_present = present is not None and present.incarnation == self._incarnations.present
        if self.is_connected and not is_present:
            self._be_fenced()

    def keep_snapshot(self, kept: int) -> None:
        """Keep the state in the engine, and remove all entries but some."""
        if self._is_available and self.applied == len(self._engine.entries):
            self._engine.keep(self.applied, save_shared(self.room.state), self.applied - kept)

    @property
    def is_settled(self) -> bool:
        """Whether all inputs are in the log, and all clients in the room."""
        return not len(self._queue) and not self.room._returns

    # The clients.

    def enter(self, name: str, address: str) -> Believer:
        """A new client, which registers."""
        client = Client(address, resume_token=name)
        believer = self.believers[client] = Believer(name, client, self.receive)
        self._apply(self.room.enter(client, self._engine.now))
        lines = (f"CAP REQ :{_CAPS}", f"NICK {name}", f"USER {name} 0 * :x", "CAP END")
        for line in lines:
            self.receive(client, line)
        return believer

    def receive(self, client: Client, line: str) -> None:
        """Handle a line of a client."""
        self._apply(self.room.receive(client, line.encode(), self._engine.now))

    def leave(self, client: Client) -> None:
        """The connection of a client is lost."""
        self.believers.pop(client).is_open = False
        self._apply(self.room.leave(client, "gone", self._engine.now))

    def carry_out(self, outcomes: Iterable[tuple[Client | None, list[Effect]]]) -> None:
        """Carry out effects, and handle the lines that waited for them."""
        touched: dict[Client, None] = {}
        for client, effects in outcomes:
            self._apply(effects)
            if client is not None and not client.is_remote:
                touched[client] = None
        for _, effects in self.room.release(touched, self._engine.now):
            self._apply(effects)

    def _apply(self, effects: Iterable[Effect]) -> None:
        for client, data in _lines_of(effects):
            if client in self.believers:
                self.believers[client].take(data, self.room.state.ids.position)
        for effect in effects:
            if isinstance(effect, Close) and effect.client in self.believers:
                self.leave(effect.client)


def _lines_of(effects: Iterable[Effect]) -> Iterator[tuple[Client, bytes]]:
    for effect in effects:
        match effect:
            case Send(clients, data):
                yield from ((client, data) for client in clients)
            case Broadcast(audience, skip, message):
                for caps, group in audience.items():
                    data = message.bytes_for(caps)
                    yield from ((client, data) for client in group if client is not skip)
