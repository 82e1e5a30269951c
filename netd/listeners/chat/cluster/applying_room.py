"""A room that the log changes: applies the entries of the log, each with its time.

All hosts apply the same inputs in the same order, with the time and the ids of the log, so that
their rooms stay equal. A client has its connection on one host, and is `is_remote` on the others,
which send it nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Final, TypeVar

from netd.errors import StateError
from netd.listeners.chat.cluster.entrant import parse_caps, parse_entrant
from netd.listeners.chat.cluster.log_entry import EntryKind, LogEntry
from netd.listeners.chat.cluster.node_name import (
    MAX_WORKERS,
    host_of,
    node_of,
    number_after,
    number_of,
    worker_of,
)
from netd.listeners.chat.cluster.room_input import InputKind, RoomInput, parse_input
from netd.listeners.chat.cluster.shared_room import Outcome, SharedRoom
from netd.listeners.chat.cluster.waiting_lines import WaitingLines
from netd.listeners.chat.room.channel import Topic
from netd.listeners.chat.room.client_state import CheckPurpose, ClientState, PasswordCheck
from netd.listeners.chat.room.commands import elsewhere
from netd.listeners.chat.room.effect import Effect, Log
from netd.listeners.chat.room.encoded_message import MessageIds
from netd.listeners.chat.room.level import FIRST_LEVEL
from netd.listeners.chat.room.member import Client
from netd.listeners.chat.room.room import SLICE_WORK
from netd.listeners.chat.room.settings import RoomSettings
from netd.listeners.chat.room.state import RoomState
from netd.protocols.password import Verdict

Result = TypeVar("Result")

_NS_PER_MS: Final = 1_000_000
_KIND: Final = attrgetter("kind")


class ApplyingRoom(SharedRoom):
    """The room of one node, as far as the log changes it."""

    def __init__(
        self,
        settings: RoomSettings,
        now: float,
        node: str,
        append: Callable[[bytes], object],
        *,
        on_bug: Callable[[Exception], object],
    ) -> None:
        super().__init__(settings, now, node, append)
        self._on_bug = on_bug
        self._clients: dict[str, Client] = {}  # by key: those in the log
        self._lines = WaitingLines()
        self._worker = worker_of(node)
        # The numbers of earlier processes are in the log.
        self._next_number = number_after(int(now * 1_000_000) * MAX_WORKERS, self._worker)
        self.state.level = FIRST_LEVEL
        self._adopt_state()
        self.last_check = 0
        """The number of the last entry at which the hosts compare their rooms."""
        self.skipped = 0
        """How many inputs could not be applied, on any host."""

    def replace(self, state: RoomState) -> None:
        level = state.level
        super().replace(state)
        state.level = level  # the log has determined it
        self._adopt_state()

    def _adopt_state(self) -> None:
        state = self.state
        self._epoch = 0  # of the last entry, once there is one
        state.host = host_of(self._node)
        state.accounts.is_open = True  # they are in the log
        self._clients = {client.key: client for client in state.clients() if client.key}
        numbers = [number_of(key) for key in self._clients if self._is_own(key)]
        self._use_numbers_after(max(numbers, default=0))

    def _use_numbers_after(self, number: int) -> None:
        self._next_number = max(self._next_number, number_after(number, self._worker))

    def _is_own(self, key: str) -> bool:
        return node_of(key) == self._node

    def apply(self, entry: LogEntry) -> Iterator[Outcome]:
        """Apply an entry: yields the client of each input, if it has one, and the effects."""
        now = entry.time_ms / 1000
        if entry.position.number == 1:
            self._begin_log(entry.time_ms)
        if entry.position.epoch != self._epoch:
            self._begin_epoch(entry.position.epoch)
        yield None, self._guard(partial(self._expire, now)) or []
        if entry.kind is EntryKind.LOST:
            self._forget_settings(entry.node)
            yield None, self._guard(partial(self._lose_node, entry.node, entry.reason, now)) or []
        elif entry.kind is EntryKind.LEVEL:
            self.state.level = entry.first
            yield None, [Log(f"all hosts can apply level {entry.first}, which is in force now")]
        elif entry.kind is EntryKind.MOVED:
            self._forget_settings(entry.node)
            self._move_clients(entry.node, entry.incarnation)
        items = [*self._parse(entry.inputs)]
        for kind, group in groupby(items, _KIND):
            yield from self._apply_alike(kind, entry.node, group, now)
        if any(item.kind is InputKind.CHECK for item in items):
            self.last_check = entry.position.number

    def _begin_log(self, time_ms: int) -> None:
        """Give the room that each host has of its configuration what the log determines."""
        self.state.ids = MessageIds(f"{time_ms * _NS_PER_MS:x}-")
        for channel in self.state.channels.values():
            channel.created = time_ms / 1000
            if channel.topic is not None:
                network = self.state.settings.network
                channel.topic = Topic(channel.topic.text, network, time_ms / 1000)

    def _begin_epoch(self, epoch: int) -> None:
        """Use other ids than those of entries that the engine may have lost.

        An epoch is a time in milliseconds (`scripts.OPEN`). Clients and history files can have the
        lost messages, and would take another one with the same id for one that they know.
        """
        self._epoch = epoch
        self.state.ids = self.state.ids.of_later_time(epoch)
        self.fast_path.clear()

    def _apply_alike(
        self, kind: InputKind, node: str, items: Iterable[RoomInput], now: float
    ) -> Iterator[Outcome]:
        """Apply inputs of one kind."""
        match kind:
            case InputKind.RETURN:
                yield from self._return(node, items, now)
            case InputKind.CHANNEL:
                self._guard(partial(self._restore_channels, [item.data for item in items], now))
            case InputKind.ACCOUNT | InputKind.EDIT:
                for item in items:
                    yield self._guard(partial(self._change_account, item, now)) or (None, [])
            case InputKind.SETTINGS:
                for item in items:
                    compare = partial(self._compare, node, item.data)
                    yield None, self._guard(compare) or []
            case _:
                yield from self._apply_all(node, items, now)

    def _apply_all(self, node: str, items: Iterable[RoomInput], now: float) -> Iterator[Outcome]:
        for item in items:
            client = self._client_of(node, item)
            if client is not None:
                yield client, self._guard(partial(self._apply, client, item, now)) or []

    def _move_clients(self, node: str, taker: str) -> None:
        """Let clients of a node that has ended be those of another one."""
        moved = {key: client for key, client in self._clients.items() if node_of(key) == node}
        for key, client in moved.items():
            del self._clients[key]
            client.key = f"{taker}/{number_of(key)}"
            self._clients[client.key] = client
            self.state.on_clients_changed(client.member)
            if taker == self._node:
                self._use_numbers_after(number_of(key))

    def _lose_node(self, node: str, reason: str, now: float) -> list[Effect]:
        """Remove the clients of a node that is not in the room any more."""
        raise NotImplementedError

    def _return(self, node: str, items: Iterable[RoomInput], now: float) -> Iterator[Outcome]:
        """Let clients of a node in again, all at once."""
        raise NotImplementedError

    def _parse(self, payloads: Iterable[bytes]) -> Iterator[RoomInput]:
        for payload in payloads:
            try:
                yield parse_input(payload)
            except ValueError:
                self.skipped += 1

    def _client_of(self, node: str, item: RoomInput) -> Client | None:
        """The client of an input; a new one if it enters on another host."""
        key = f"{node}/{item.client}"
        client = self._clients.get(key)
        if client is None and item.kind is InputKind.ENTER:
            try:
                client = self._clients[key] = parse_entrant(item.data)
            except StateError:
                self.skipped += 1
                return None
            client.key = key
            self.state.unregistered[client] = None
            if self._is_own(key):  # of an earlier process, whose clock can have been ahead
                self._use_numbers_after(item.client)
        return client

    def _guard(self, apply: Callable[[], Result]) -> Result | None:
        """Apply inputs at once: between slices, each host could do other things.

        Inputs that meet a bug are skipped: all hosts meet it, and would end again and again.
        """
        self._slice_work = math.inf
        try:
            return apply()
        except StateError:
            self.skipped += 1
        except Exception as error:  # noqa: BLE001 (reported, with its traceback)
            self.skipped += 1
            self._on_bug(error)
        finally:
            self._slice_work = SLICE_WORK
        return None

    def _apply(self, client: Client, item: RoomInput, now: float) -> list[Effect]:
        match item.kind:
            case InputKind.ENTER:
                return [] if client.is_registered else self._enter(client, now)
            case InputKind.LINE:
                return self._receive(client, item.data, now)
            case InputKind.LEAVE:
                return self._leave(client, item.data.decode(), now)
            case InputKind.VERDICT if not client.is_registered:
                client.password_check = None
            case InputKind.VERDICT:
                return self._verified(client, item.data.decode(), now)
            case InputKind.PROOF:
                client.resume_proof = item.data.decode()
            case InputKind.CAPS if client.is_remote:
                self.state.set_caps(client, parse_caps(item.data.decode().split()))
        return []  # or it is not a client's

    def _enter(self, client: Client, now: float) -> list[Effect]:
        lost = elsewhere.claimed_client(self.state, client)
        effects = super().admit(client, now)
        if lost is not None and lost.state is ClientState.GONE:  # the client has its place
            self._clients.pop(lost.key, None)
            self._pending.pop(lost, None)
            self._lines.forget(lost)
        if client.is_registered:
            return effects
        del self._clients[client.key]  # its nick was taken meanwhile
        client.key = ""
        self.state.unregistered.pop(client, None)
        if not client.is_remote:
            self.state.unregistered[client] = None
        return effects

    def _receive(self, client: Client, line: bytes, now: float) -> list[Effect]:
        self._lines.settle(client)
        if not client.is_registered:  # its arrival was lost, so only its own host knows it
            return []
        return super().receive(client, line, now)

    def _leave(self, client: Client, reason: str, now: float) -> list[Effect]:
        self._clients.pop(client.key, None)
        if client in self.state.ghosts:
            return super().end_ghost(client, reason, now)
        return super().leave(client, reason, now)

    def _verified(self, client: Client, text: str, now: float) -> list[Effect]:
        purpose, verdict, name, detail, result = text.split("\0", 4)
        label = client.password_check.label if client.password_check is not None else ""
        client.password_check = PasswordCheck(CheckPurpose[purpose], name, label, detail)
        return super().verified(client, now, Verdict[verdict], result)
