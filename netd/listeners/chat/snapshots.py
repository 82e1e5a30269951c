"""Writes snapshots of a chat service that goes on: what its successor needs if it is killed.

The work is done in slices of about a millisecond, so that no client waits for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from netd.listeners.chat.room.room_snapshot import RoomSnapshot
from netd.listeners.chat.room.state import RoomState
from netd.runtime.loop import Loop, Timer

OnSnapshot = Callable[[Sequence[bytes]], object]

_SLICE_S: Final = 0.001
_PAUSE_S: Final = 0.002
_NO_SESSIONS: Final[dict[str, Any]] = {
    "sessions": [],
    "further_sessions": [],
    "throttle": [],
    "verifier": None,
    "unwritten": None,
    "is_snapshot": True,
}
_NOTHING: Final[Mapping[str, Any]] = {}
_START: Final = b'{"room":'


class Snapshots:
    """The snapshots of one service, one after the other."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._state: RoomState | None = None
        self._room: RoomSnapshot
        self._steps: Iterator[None]
        self._timer: Timer | None = None
        self._end = b""
        self._last: list[bytes] = []

    def begin(
        self, state: RoomState, on_snapshot: OnSnapshot, beside: Mapping[str, Any] = _NOTHING
    ) -> None:
        """Call back in a later turn, with the text in pieces; not at all if it is the last one.

        `beside` is more of the state of the service, as plain data.
        """
        if self._timer is not None:
            self._timer.cancel()
        if state is not self._state:
            self._state, self._room = state, RoomSnapshot(state)
        self._end = b"," + json.dumps({**_NO_SESSIONS, **beside})[1:].encode()
        self._steps = self._room.refresh()
        self._continue(on_snapshot)

    def _continue(self, on_snapshot: OnSnapshot) -> None:
        end = self._loop.time() + _SLICE_S
        for _ in self._steps:
            if self._loop.time() > end:
                self._timer = self._loop.call_later(_PAUSE_S, lambda: self._continue(on_snapshot))
                return
        self._timer = self._loop.call_later(_PAUSE_S, lambda: self._finish(on_snapshot))

    def _finish(self, on_snapshot: OnSnapshot) -> None:
        pieces = [*self._room.write(), self._end]
        if pieces != self._last:
            self._last = pieces
            # In another turn, as the caller copies the pieces.
            self._loop.call_next_turn(partial(on_snapshot, [_START, *pieces]))
