"""The engine of a node: it appends the node's inputs to the log, and reads the log.

The connection that appends does so in a pipeline, and renews the node's deadline; the other one
reads (`XREAD BLOCK`). `engine_link` makes them again when they are lost.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from netd.listeners.chat.cluster import scripts
from netd.listeners.chat.cluster.append_queue import AppendQueue
from netd.listeners.chat.cluster.ended_nodes import EndedNodes
from netd.listeners.chat.cluster.engine_contract import EngineOwner, EngineSettings, Loss
from netd.listeners.chat.cluster.engine_link import EngineLink
from netd.listeners.chat.cluster.engine_replies import (
    describe_level,
    describe_refusal,
    read_snapshot,
)
from netd.listeners.chat.cluster.incarnations import Incarnations
from netd.listeners.chat.cluster.log_entry import EntryKind, LogEntry
from netd.listeners.chat.cluster.log_position import (
    START,
    Position,
    Step,
    is_rewound,
    step_to,
)
from netd.listeners.chat.cluster.log_reader import LogReader
from netd.listeners.chat.cluster.read_barrier import OnCurrent, ReadBarrier
from netd.listeners.chat.cluster.redis_connection import RedisConnection
from netd.listeners.chat.cluster.resp import Argument, Reply, ReplyError
from netd.listeners.chat.cluster.room_input import may_expire
from netd.runtime.loop import Loop

_INCARNATION_BYTES: Final = 8
_NONE: Final[Mapping[str, Mapping[str, Any]]] = {}

_log = logging.getLogger("netd")


class Engine:
    """A node's part in the log. `append` may be called at any time."""

    def __init__(
        self,
        loop: Loop,
        settings: EngineSettings,
        owner: EngineOwner,
        saved: Mapping[str, Any] | None = None,
        ended: Mapping[str, Mapping[str, Any]] = _NONE,
    ) -> None:
        """`saved` is what the engine of another process has saved, whose node it continues.

        If that process was killed, it is the result of `identity`. `ended` has the same of other
        nodes by name, whose clients this node takes over.
        """
        self._loop = loop
        self._settings = settings
        self._owner = owner
        self._keys = scripts.Keys(settings.name)
        self._queue = AppendQueue()
        self._ended = EndedNodes(ended)
        self._barrier = ReadBarrier()
        self._incarnations = Incarnations()
        self._applied = START
        self._snapshot: Position | None = None  # that of the last one that was loaded
        self._lacking: Position | None = None  # where entries were lacking
        self._has_state = False
        if saved is not None:
            self._queue = AppendQueue(saved)
            self._incarnations = Incarnations(saved["incarnation"])
            self._applied = saved["applied"]
            self._has_state = self._applied != START
        self._is_flushing = self._is_joined = self._is_available = self._is_leaving = False
        self._epoch = 0
        self._link = EngineLink(loop, settings, self._on_connected, self._on_disconnected)
        self._renewal = loop.call_every(settings.renew_s, self._renew)
        self.rewinds = self.fences = self.gaps = 0
        """How many times the state was lost, by cause."""
        self.foreign_entries = 0
        """How many entries were removed from the log that no host has added."""

    def start(self) -> None:
        """Connect."""
        self._link.connect()

    def leave(self, reason: str = "") -> None:
        """Leave the room after the inputs that wait, and close the connections.

        The members of the node leave for that reason. A node that cannot reach the engine is in the
        room until its deadline.
        """
        if self._is_leaving:
            return
        self._link.release()
        writer = self._writer
        if writer is not None and self._is_joined:
            self._flush()
            words = (*self._name, reason)
            writer.run(lambda _: writer.close("left"), scripts.LEAVE, self._keys, *words)
        elif writer is not None:
            writer.close("closed")
        self._is_leaving = True
        self._renewal.cancel()

    def save(self) -> dict[str, Any]:
        """The node as plain data, for another process; no connection travels."""
        return {
            "incarnation": self._incarnations.present or self._incarnations.continued,
            "applied": str(self._applied),
            **self._queue.save(),
        }

    def identity(self) -> dict[str, Any]:
        """The node as plain data, for the case that this process is killed; empty if it is none."""
        present = self._incarnations.present
        if not present:
            return {}
        return {"incarnation": present, "applied": str(START), **AppendQueue().save()}

    def use_password(self, password: str) -> None:
        """Log in with another password the next time."""
        self._link.use_password(password)

    @property
    def is_closed(self) -> bool:
        """Whether `leave` was called, and the engine has all."""
        return self._link.is_closed

    def when_closed(self, on_closed: Callable[[], object]) -> None:
        """Call back once as soon as it is closed, which can be now."""
        self._link.when_closed(on_closed)

    @property
    def is_available(self) -> bool:
        """Whether the engine takes inputs and its log was read to the end."""
        return self._is_available

    @property
    def applied(self) -> Position:
        """The last entry that was given to the owner."""
        return self._applied

    @property
    def waiting(self) -> int:
        """How many inputs are not known to be in the log."""
        return len(self._queue)

    def append(self, payload: bytes) -> None:
        """Append an input, at the end of this turn, or as soon as the engine can be reached."""
        self._queue.add(payload, self._loop.now)
        if not self._is_flushing:
            self._is_flushing = True
            self._loop.defer(self._flush)

    def ask(self, on_reply: Callable[[Reply], object], *words: Argument) -> None:
        """Execute a command that only reads, if the engine can be reached."""
        if self._writer is not None:
            self._writer.call(on_reply, *words)

    def reload(self, loss: Loss) -> None:
        """Load the state again: the owner has found that it is wrong."""
        self._lose(loss)
        self._link.fail(loss.value)

    def when_current(self, on_current: OnCurrent) -> None:
        """Call back when all that is in the log now was given to the owner.

        At once, if the engine cannot be reached.
        """
        writer = self._writer
        if writer is None or not self._is_available:
            on_current()
            return
        words = ("HGET", self._keys.meta, "number")
        self._barrier.wait(lambda on_reply: writer.call(on_reply, *words), on_current)

    def expire(self, before: float) -> Sequence[bytes]:
        """Give up the lines that were added before a time and never sent."""
        return self._queue.expire(before, may_expire)

    def keep_snapshot(self, position: Position, digest: str, state: bytes, entries: int) -> None:
        """Keep the state at a position; at least `entries` entries before it stay in the log."""
        writer = self._writer
        if self._is_available and writer is not None:
            arguments = (position.epoch, position.number, digest, state, entries)
            writer.run(writer.expect_success, scripts.KEEP, self._keys, *arguments)

    # Connecting: first the connection that appends, then the one that reads.

    @property
    def _writer(self) -> RedisConnection | None:
        return self._link.writer

    @property
    def _name(self) -> tuple[str, str]:
        """The names of the node and of its present incarnation."""
        return self._settings.node, self._incarnations.present

    def _on_disconnected(self, reason: str) -> None:
        self._is_joined = self._is_available = False
        self._owner.on_unavailable(reason)
        self._barrier.release_all()

    def _on_connected(self, writer: RedisConnection, run_id: bytes) -> None:
        known = max(self._epoch, self._applied.epoch)
        writer.run(self._on_open, scripts.OPEN, self._keys, run_id, known, self._settings.level)

    def _on_open(self, reply: Reply) -> None:
        match reply:
            case [int(epoch), int(_), int(base), int(removed)]:
                if removed:
                    self.foreign_entries += removed
                    _log.error("chat: entries that no host has added were removed: %d", removed)
                if self._has_state and is_rewound(self._applied, epoch, base):
                    self.rewinds += 1
                    self._lose(Loss.REWOUND)
                self._epoch = epoch
                self._link.open_reader(self._on_reader_ready)
            case ReplyError():
                self._on_refused(reply)
            case _:
                self._link.fail(f"the log cannot be opened: {reply!s:.200}")

    def _lose(self, loss: Loss) -> None:
        """Load the state again, or become a new incarnation, or both."""
        if loss is not Loss.FENCED:
            self._has_state = False
        if loss in (Loss.FENCED, Loss.REWOUND):
            self._incarnations.lose()
        self._owner.on_lost(loss)

    # Reading.

    def _on_reader_ready(self, reader: RedisConnection) -> None:
        if self._has_state:
            self._join()
        else:
            reader.call(partial(self._on_snapshot, reader), "HGETALL", self._keys.snapshot)

    def _on_snapshot(self, reader: RedisConnection, reply: Reply) -> None:
        try:
            position, state = read_snapshot(reply)
        except ValueError as error:
            self._link.fail(str(error))
            return
        self._owner.on_snapshot(position, state, partial(self._on_loaded, position, reader))

    def _on_loaded(self, position: Position, reader: RedisConnection, fault: str) -> None:
        if reader is not self._link.reader or self._is_leaving:
            return  # the state is loaded again on the next connection
        if fault:
            self._link.fail(fault)
            return
        self._applied, self._snapshot, self._has_state = position, position, True
        self._join()

    def _join(self) -> None:
        """Become a node of the room, unless this process is one, and read on."""
        assert self._writer is not None
        if name := self._incarnations.present:
            arguments = (*self._name, self._settings.time_to_live_ms)
            on_joined = partial(self._on_joined, name)
            self._writer.run(on_joined, scripts.STATUS, self._keys, *arguments)
            return
        continued = self._incarnations.continued
        script, earlier = (scripts.TAKE_OVER, (continued,)) if continued else (scripts.JOIN, ())
        name = os.urandom(_INCARNATION_BYTES).hex()
        names = (self._settings.node, *earlier, name)
        limits = (self._settings.time_to_live_ms, self._settings.level)
        self._writer.run(partial(self._on_joined, name), script, self._keys, *names, *limits)

    def _on_joined(self, name: str, reply: Reply) -> None:
        match reply:
            case [bytes(incarnation), int(sequence)]:
                is_own = self._incarnations.is_own(incarnation.decode())
                self._queue.note_logged(sequence if is_own else 0)
                self._incarnations.join(name)
                self._is_joined = True
                self._queue.send_again()
                self._move_ended()
            case ReplyError():
                if reply.code == scripts.FENCED:
                    self._incarnations.lose_continued()
                self._on_refused(reply)
            case _:
                self._link.fail(f"the node cannot join: {reply!s:.200}")

    def _move_ended(self) -> None:
        """Take over the clients of nodes that have ended, and read on."""
        assert self._writer is not None
        for identity in self._ended.identities():
            self._writer.run(self._check_accepted, scripts.MOVE, self._keys, *identity, *self._name)
        if self._ended.identities():
            self._writer.call(lambda _: self._read(), "PING")  # the log has them when it replies
        else:
            self._read()

    def _read(self) -> None:
        if self._link.reader is not None:
            LogReader(
                self._loop,
                self._link.reader,
                self._keys.log,
                take=self._take,
                on_end=self._become_available,
            ).read(self._applied)

    def _take(self, entry: LogEntry) -> bool:
        """Give an entry to the owner; False if no further one can be applied."""
        step = step_to(self._applied, entry.position)
        if step is Step.GAP and not self._has_hole():
            self._lose_gap()
            return False
        if entry.kind is EntryKind.LEVEL and entry.first > self._settings.level:
            self._link.fail(describe_level(entry.first, entry.incarnation, self._settings))
            return False
        if step is not Step.KNOWN:
            self._applied = entry.position
            self._confirm_own(entry)
            self._owner.on_entries((entry,))
            self._barrier.on_applied(entry.position.number)
            self._take_over(entry)
            if self._incarnations.has_rejoined(entry):
                self._give_up()
        return True

    def _has_hole(self) -> bool:
        """Whether entries after the snapshot are not in the log, and never will be."""
        return self._applied == self._snapshot == self._lacking

    def _lose_gap(self) -> None:
        self.gaps += 1
        self._lacking = self._applied
        self._lose(Loss.GAP)
        self._link.fail(Loss.GAP.value)

    def _confirm_own(self, entry: LogEntry) -> None:
        """Forget inputs that are in the log."""
        if entry.inputs and self._incarnations.is_own(entry.incarnation):
            self._queue.confirm(entry.first + len(entry.inputs) - 1)

    def _take_over(self, entry: LogEntry) -> None:
        payloads = self._ended.take_moved(entry, self._settings.node)
        if payloads:
            self._owner.on_taken_over(payloads)

    def _give_up(self) -> None:
        """Return the inputs of the former incarnation that are not in the log."""
        self._queue.confirm_logged()
        payloads, self._queue = self._queue.payloads(), AppendQueue()
        self._incarnations.forget_former()
        self._owner.on_given_up(payloads)

    def _become_available(self) -> None:
        self._is_available = True
        self._queue.confirm_logged()
        self._barrier.on_applied(self._applied.number)  # after a rewind, an earlier one than before
        if lost := [*self._ended.take_lost()]:
            self._owner.on_given_up(lost)
        self._owner.on_available()
        self._flush()

    # Appending.

    def _flush(self) -> None:
        self._is_flushing = False
        if self._writer is None or not self._is_available or self._is_leaving:
            return  # what is in the log has to be known
        while (batch := self._queue.next_batch()) is not None:
            head = (self._epoch, *self._name, batch.first)
            self._writer.run(
                self._check_accepted, scripts.APPEND, self._keys, *head, *batch.payloads
            )

    def _check_accepted(self, reply: Reply) -> None:
        if isinstance(reply, ReplyError):
            self._on_refused(reply)
        else:
            self._link.note_success()

    def _on_refused(self, error: ReplyError) -> None:
        if error.code in (scripts.FENCED, scripts.SEQUENCE):
            self.fences += 1
            self._lose(Loss.FENCED)
        self._link.fail(describe_refusal(error, self._settings))

    def _renew(self) -> None:
        if self._writer is None or not self._is_joined:
            return
        arguments = (*self._name, self._settings.time_to_live_ms, self._settings.version)
        self._writer.run(self._check_accepted, scripts.RENEW, self._keys, *arguments)
