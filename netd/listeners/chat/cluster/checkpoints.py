"""Entries of the log at which all hosts compare their rooms, and one keeps a snapshot of it.

A room of 10,000 members takes a third of a second to write, in which no line would be handled.
Therefore a child process does that, with a copy of the room as it is at the entry (fork(2) copies a
page of memory when it is written to).
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from functools import partial
from typing import Final

from netd.listeners.chat.cluster.digest import are_different, digest
from netd.listeners.chat.cluster.log_position import Position
from netd.listeners.chat.cluster.shared_state import save_shared
from netd.listeners.chat.room.state import RoomState
from netd.runtime.child_call import ChildCall
from netd.runtime.loop import Loop

OnKept = Callable[[Position, str, bytes], object]

CHECK_ENTRIES: int = 5000
"""After this many entries to twice as many, a host requests a check."""
_TIMEOUT_S: Final = 60.0
_REST: Final = 9  # a host rests this many times as long as its last check took

_log = logging.getLogger("netd")


class Checkpoints:
    """The checks of one host. A check that comes while the one before is not done is left out."""

    def __init__(self, loop: Loop, *, on_kept: OnKept, on_drift: Callable[[], object]) -> None:
        """`on_kept(position, digest, snapshot)` is called for the checks that this host keeps."""
        self._loop = loop
        self._on_kept, self._on_drift = on_kept, on_drift
        self._call: ChildCall | None = None
        self._position: Position | None = None  # of the check under way
        self._entries = 0  # since the last check
        self._due = CHECK_ENTRIES + random.randrange(CHECK_ENTRIES)  # noqa: S311 (jitter)
        self._rests_until = 0.0
        self._own = self._kept = (0, "")  # the last digests: the number of the entry, and the text
        self.drifts = 0
        """How many times the room differed from that of another host."""

    def is_due(self, entries: int) -> bool:
        """Whether a check is to be requested, after some more entries."""
        self._entries += entries
        if self._entries < self._due or self._position or self._loop.now < self._rests_until:
            return False
        self._entries = 0
        return True

    def check(self, position: Position, room: RoomState, *, keeps: bool) -> None:
        """Compute the digest of the room; with `keeps`, make a snapshot of it too."""
        self._entries = 0
        if self._position is not None:
            return
        on_done = partial(self._on_done, position, self._loop.now, keeps=keeps)
        try:
            self._call = ChildCall(
                self._loop, partial(_write, room, keeps=keeps), on_done, timeout_s=_TIMEOUT_S
            )
        except OSError as error:
            _log.warning("chat: no check of the room: %s", error)
        else:
            self._position = position

    def compare(self, number: int, kept: str) -> None:
        """Compare this host's digest at an entry with the one that another host has kept."""
        self._kept = (number, kept)
        self._compare()

    def cancel(self) -> None:
        """Give up the check under way: the room is not valid any more, or the host ends."""
        self._own = self._kept = (0, "")  # after a rewind, their numbers are those of other entries
        if self._position is not None and self._call is not None:
            self._position = None
            self._call.abandon()

    def _on_done(
        self, position: Position, began: float, result: bytes | OSError, *, keeps: bool
    ) -> None:
        self._position = None
        self._rests_until = self._loop.now + _REST * (self._loop.now - began)
        if isinstance(result, OSError):
            _log.warning("chat: no check of the room: %s", result)
            return
        text, _, state = result.partition(b"\n")
        self._own = (position.number, text.decode())
        if keeps:
            self._on_kept(position, text.decode(), state)
        self._compare()

    def _compare(self) -> None:
        (own_number, own), (number, kept) = self._own, self._kept
        if own_number == number and are_different(own, kept):
            self._own = (0, "")
            self.drifts += 1
            self._on_drift()


def _write(room: RoomState, *, keeps: bool) -> bytes:
    state = save_shared(room) if keeps else b""
    return digest(room).encode() + b"\n" + state
