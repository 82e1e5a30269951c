"""Runs a room on several hosts: passes its inputs to the engine, and applies what the log has."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from netd.errors import ConfigError, StateError
from netd.listeners.chat.cluster.checkpoints import Checkpoints
from netd.listeners.chat.cluster.credentials import read_password
from netd.listeners.chat.cluster.departure import leave_room
from netd.listeners.chat.cluster.durability import (
    ASKED,
    ASKED_OF_DEFAULT,
    asked_settings,
    weaknesses,
    weaknesses_of_default,
)
from netd.listeners.chat.cluster.engine import Engine
from netd.listeners.chat.cluster.engine_contract import Loss
from netd.listeners.chat.cluster.engine_state import RoomPlace
from netd.listeners.chat.cluster.log_entry import EntryKind, LogEntry
from netd.listeners.chat.cluster.log_position import Position
from netd.listeners.chat.cluster.node_name import host_of
from netd.listeners.chat.cluster.recovering_room import RecoveringRoom
from netd.listeners.chat.cluster.resp import Reply
from netd.listeners.chat.cluster.room_place import engine_settings, place_of
from netd.listeners.chat.cluster.shared_room import Outcome
from netd.listeners.chat.handover_driver import HandoverDriver
from netd.listeners.chat.options import ChatOptions
from netd.listeners.chat.room.account_changes import EraseAccount, StoreAccount
from netd.listeners.chat.room.member import Client
from netd.listeners.chat.room.room import Room
from netd.listeners.chat.room.settings import RoomSettings
from netd.listeners.chat.saved_chat import SavedChat
from netd.listeners.chat.session import Session
from netd.listeners.chat.snapshots import OnSnapshot
from netd.listeners.counters import Counters
from netd.listeners.kind import Daemon
from netd.protocols.irc import fold
from netd.protocols.saved_record import save_record
from netd.runtime.loop import Loop

_CHECK_S = 0.5
_CLOCK_S: Final = 60.0  # the difference of clocks that is reported
_SLICE_S: Final = 0.004  # of the loading of a snapshot
_KEPT_ENTRIES = 10_000  # before a snapshot, for hosts that are behind

_log = logging.getLogger("netd")


class ClusterDriver(HandoverDriver):
    """A room driver whose room is one of several that apply the same log (`EngineOwner`)."""

    def __init__(
        self,
        loop: Loop,
        options: ChatOptions,
        settings: RoomSettings,
        daemon: Daemon,
        on_closed: Callable[[Session], object],
    ) -> None:
        assert options.cluster is not None
        self._engine_settings = engine_settings(options.cluster, daemon.worker_number)
        self._cluster = options.cluster
        self._unavailable = "it was not reached yet"
        self._engine: Engine | None = None
        self._saved_engine: Mapping[str, Any] | None = None
        self._ended: dict[str, Mapping[str, Any]] = {}  # engines of other nodes, whose clients come
        self._to_leave: list[tuple[RoomPlace, str, Mapping[str, Any]]] = []  # nodes elsewhere
        self._clock_s = 0.0  # how far the engine's clock is ahead of this host's
        self._is_new = True  # the engine was not reached yet
        self._lost_reason = ""  # of the clients that have come without a connection
        self._unsent: dict[Client, bytes] = {}  # the lines that they have not got
        self._early: list[bytes] = []  # inputs before there is an engine
        self._checkpoints = Checkpoints(loop, on_kept=self._on_kept, on_drift=self._on_drift)
        self._loading: Iterator[None] | None = None
        super().__init__(loop, options, settings, daemon, on_closed)
        self._loop = loop
        self._expiry = loop.call_every(_CHECK_S, self._expire_inputs)
        loop.defer(self._start_engine)  # not yet, as another process may still be this node

    def _make_room(self, options: ChatOptions, settings: RoomSettings) -> Room:
        del options
        node = self._engine_settings.node
        self._replica = RecoveringRoom(
            settings, time.time(), node, self._append, self._when_current, on_bug=_report
        )
        return self._replica

    def _start_engine(self) -> None:
        settings, saved = self._engine_settings, self._saved_engine
        self._engine = Engine(self._loop, settings, self, saved, self._ended)
        self._engine.start()
        early, self._early = self._early, []
        for payload in early:
            self._engine.append(payload)

    def _append(self, payload: bytes) -> None:
        if self._engine is not None:
            self._engine.append(payload)
        else:
            self._early.append(payload)

    def _when_current(self, client: Client) -> None:
        assert self._engine is not None  # it is started before a client is served
        self._engine.when_current(partial(self._on_current, client))

    def _on_current(self, client: Client) -> None:
        is_current = self._engine is not None and self._engine.is_available
        self._carry_out(self._replica.read_now(client, time.time(), is_current=is_current))

    def _open_store(self) -> None:
        if not self._has_loaded:
            self._store.open()  # the room comes from the engine, not from this host's file

    def save(self) -> tuple[dict[str, Any], list[int]]:
        saved, descriptors = super().save()
        if self._engine is not None:
            saved |= self._about_node(self._engine.save())
            saved["held"] = self._replica.save_held()
        return saved, descriptors

    def _about_node(self, engine: dict[str, Any] | None) -> dict[str, Any]:
        place = save_record(place_of(self._cluster))
        return {"node": self._engine_settings.node, "engine": engine, "place": place}

    def snapshot(self, on_snapshot: OnSnapshot) -> None:
        identity = self._engine.identity() if self._engine is not None else {}
        self._snapshots.begin(self._room.state, on_snapshot, self._about_node(identity or None))

    def load(self, saved: SavedChat) -> None:
        place = saved.place
        if saved.engine is not None and place is not None and place != place_of(self._cluster):
            self._to_leave.append((place, saved.node, saved.engine))
        if saved.engine is None or not self._is_own(saved):
            if saved.engine is not None:
                self._ended[saved.node] = saved.engine
            if saved.unwritten is not None:
                self._store.load_unwritten(saved.unwritten)
            return  # the room is in the engine
        self._saved_engine = saved.engine
        if saved.is_snapshot:
            self._replica.inherit(saved.room)
            return  # as above
        super().load(saved)
        self._replica.load_waiting(saved.engine, saved.held)

    def _is_own(self, saved: SavedChat) -> bool:
        """Whether the process was that of this node, not of another worker of this host."""
        return saved.node in ("", self._engine_settings.node)

    def begin(self, saved: SavedChat, settings: RoomSettings, reason: str) -> None:
        is_own = self._is_own(saved)
        if saved.engine is not None and is_own and not saved.is_snapshot:
            super().begin(saved, settings, reason)
            return
        self._lost_reason = reason
        self._has_loaded = True
        self._store.open()
        connected = {session.client: None for session in saved.sessions if self._has(session)}
        if saved.engine is None:  # of a chat on one host
            self._replica.invite(saved.room, connected)
        elif not is_own:
            self._unsent |= saved.lost({*connected})
            self._replica.take_in(saved.node, saved.room, connected, saved.held)
        self.set_settings(settings)
        self._continue_requests(saved)

    def reconfigure(self, options: ChatOptions, settings: RoomSettings) -> None:
        super().reconfigure(options, settings)
        assert options.cluster is not None
        self._cluster = options.cluster

    def set_settings(self, settings: RoomSettings) -> None:
        super().set_settings(settings)
        if not self._is_new:
            self._replica.publish_settings()

    def shut_down(self, reason: str) -> None:
        super().shut_down(reason)
        self._leave(reason)

    def _leave(self, reason: str) -> None:
        """Leave the room of the other hosts, which is not followed any more."""
        self._expiry.cancel()
        self._checkpoints.cancel()
        self._loading = None
        if self._engine is not None:
            self._engine.leave(reason)

    def close(self, on_closed: Callable[[], object]) -> None:
        self._leave("")
        if self._engine is None:
            super().close(on_closed)
        else:
            self._engine.when_closed(partial(super().close, on_closed))

    def degraded(self) -> str:
        if self._unavailable:
            return f"the chat's engine cannot be used, lines wait: {self._unavailable}"
        for node, names in self._replica.disagreements.items():
            return f"the host {node} has other settings: {', '.join(names)}"
        if abs(self._clock_s) >= _CLOCK_S:
            side = "ahead of" if self._clock_s > 0 else "behind"
            return (
                f"the engine's clock is {abs(self._clock_s):.0f} s {side} that of this host: "
                "messages and bans have the engine's time"
            )
        return super().degraded()

    def counters(self) -> Counters:
        engine = self._engine
        if engine is None:
            return super().counters()
        totals = {
            "engine_drifts": self._checkpoints.drifts,
            "engine_fences": engine.fences,
            "engine_foreign_entries": engine.foreign_entries,
            "engine_gaps": engine.gaps,
            "engine_rewinds": engine.rewinds,
            "inputs_skipped": self._replica.skipped,
        }
        shared = {"room_level": self._replica.state.level}
        return super().counters() + Counters(
            totals, {"inputs_waiting": engine.waiting}, shared=shared
        )

    # Events of the engine (`EngineOwner`).

    def on_snapshot(
        self, position: Position, state: bytes, on_loaded: Callable[[str], object]
    ) -> None:
        del position
        self._checkpoints.cancel()
        self._fanout.flush()
        self._loading = self._replica.begin(state, time.time())
        self._load(self._loading, on_loaded)

    def _load(self, steps: Iterator[None], on_loaded: Callable[[str], object]) -> None:
        """Load the room for a few milliseconds of each turn."""
        if steps is not self._loading:
            return
        end = self._loop.time() + _SLICE_S
        try:
            for _ in steps:
                if self._loop.time() > end:
                    self._loop.call_next_turn(partial(self._load, steps, on_loaded))
                    return
        except StateError as error:
            on_loaded(str(error))
        else:
            self._store.copy_messages()
            on_loaded("")

    def on_entries(self, entries: Sequence[LogEntry]) -> None:
        for entry in entries:
            if entry.kind is EntryKind.UNKNOWN:
                self._replica.skipped += 1
                continue
            self._report_host(entry)
            self._carry_out(self._replica.apply(entry))
            if entry.kind is EntryKind.JOINED and entry.node != self._engine_settings.node:
                self._replica.publish_settings()  # to the node that has joined
            elif entry.kind is EntryKind.KEPT:
                self._checkpoints.compare(entry.first, entry.incarnation)
            elif self._replica.last_check == entry.position.number:
                is_own = entry.node == self._engine_settings.node  # it keeps the snapshot
                self._checkpoints.check(entry.position, self._replica.state, keeps=is_own)
        if not self._unavailable:  # or it could be an old entry
            self._clock_s = entries[-1].time_ms / 1000 - time.time()
        if self._checkpoints.is_due(len(entries)):
            self._replica.request_check()

    def _report_host(self, entry: LogEntry) -> None:
        """Log that another host has joined or is gone, except while old entries are read.

        The first worker does so, and a host is the node of its first worker.
        """
        is_first = host_of(entry.node) == entry.node
        is_other = is_first and entry.node != self._engine_settings.node
        if self._unavailable or self._daemon.worker_number or not is_other:
            return
        if entry.kind is EntryKind.JOINED:
            _log.info("chat: the host %s has joined", entry.node)
        elif entry.kind is EntryKind.LOST and entry.reason:
            _log.info("chat: the host %s has left: %s", entry.node, entry.reason)
        elif entry.kind is EntryKind.LOST:
            _log.warning("chat: the host %s has not renewed its deadline: removed", entry.node)

    def _on_kept(self, position: Position, digest: str, state: bytes) -> None:
        assert self._engine is not None
        self._engine.keep_snapshot(position, digest, state, _KEPT_ENTRIES)

    def _on_drift(self) -> None:
        assert self._engine is not None
        self._engine.reload(Loss.DRIFTED)

    def on_available(self) -> None:
        if self._unavailable:
            _log.info("chat: the engine can be used")
        self._unavailable = ""
        lost = self._replica.take_heritage()
        unsent, self._unsent = self._unsent, {}
        self.suspend({client: unsent.get(client, b"") for client in lost}, self._lost_reason)
        is_first, self._is_new = self._is_new, False
        for earlier in self._to_leave:  # unless this node is in that room by now, and has taken all
            leave_room(self._loop, *earlier)
        self._to_leave.clear()
        if is_first:
            self._replica.offer(self._store.found_accounts, replace=False)
        self._carry_out(self._replica.settle(time.time()))
        if is_first:
            self._replica.publish_settings()
            self._copy_accounts()
            if self._engine is not None:
                self._engine.ask(_warn, "CONFIG", "GET", *ASKED)
                self._engine.ask(_warn_of_default, *ASKED_OF_DEFAULT)

    def _copy_accounts(self) -> None:
        """Bring the accounts in this host's file up to date with those of the engine."""
        accounts = self._replica.state.accounts
        for account in accounts.registered():
            self._store.write(StoreAccount(account))
        for account in self._store.found_accounts:
            if accounts.stored(fold(account.name)) is None and any(
                True for _ in accounts.registered()
            ):
                self._store.write(EraseAccount(fold(account.name)))

    def on_unavailable(self, reason: str) -> None:
        if not self._unavailable:
            _log.error("chat: the engine cannot be used, lines wait: %s", reason)
        self._unavailable = reason
        if self._engine is not None:
            with contextlib.suppress(ConfigError):  # it is being replaced
                self._engine.use_password(read_password(self._cluster))

    def on_lost(self, loss: Loss) -> None:
        _log.error("chat: the room is loaded again from the engine: %s", loss.value)
        self._checkpoints.cancel()
        self._replica.suspend_all(loss)

    def on_taken_over(self, payloads: Sequence[bytes]) -> None:
        self._replica.append_of_ended(payloads)

    def on_given_up(self, payloads: Sequence[bytes]) -> None:
        self._replica.give_back(payloads)

    def _carry_out(self, outcomes: Iterable[Outcome]) -> None:
        """Carry out effects, and handle the lines that waited for them."""
        touched: dict[Client, None] = {}
        for client, effects in outcomes:
            self._apply(effects)
            if client is not None and not client.is_remote:
                touched[client] = None
        if not touched:
            return
        for _, effects in self._replica.release(touched, time.time()):
            self._apply(effects)
        for client in touched:
            session = self._sessions.get(client)
            if session is not None and not client.must_wait and session.closing_since is None:
                session.wake()

    def _expire_inputs(self) -> None:
        """Inform the senders of lines that have waited too long for the engine."""
        if self._unavailable and self._engine is not None:
            expired = self._engine.expire(self._loop.now - self._cluster.hold)
            self._carry_out(self._replica.expire(expired, time.time()))


def _report(error: Exception) -> None:
    _log.error("chat: an input of the log is skipped", exc_info=error)


def _warn(reply: Reply) -> None:
    """Log the settings by which the engine could lose what it has acknowledged."""
    settings = asked_settings(reply)
    for weakness in weaknesses(settings) if settings is not None else ():
        _log.warning("chat: %s", weakness)


def _warn_of_default(reply: Reply) -> None:
    for weakness in weaknesses_of_default(reply):
        _log.warning("chat: %s", weakness)
