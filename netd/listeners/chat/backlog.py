"""Serves the clients in turn, so that the work of one does not delay the others.

A session with lines to handle, or with the rest of a long reply to send, is served one slice at a
time (`Session.serve`). Members whose input has just arrived come first, so a client that sends few
lines does not wait behind clients with many waiting lines, nor behind clients that come and go;
clients that register come next. Among the members, those whose next line is quick, such as a
message, do not wait for the lines of the others, such as a JOIN of a large channel, which takes a
millisecond. Still, each turn serves one of each that wait.

Slices are bounded by time, as the estimates of `Client.work` are wrong for some lines. The first
slice of new input is short: a client that sends one line waits behind the first slices of all
clients whose input has arrived in the same turn.
After the time of a turn (`TURN_S`) the rest waits until the loop has polled again, so timers and
new input are not delayed.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from netd.runtime.loop import Loop

TURN_S: Final = 0.003
FIRST_SLICE_S: Final = 0.0001
SLICE_S: Final = 0.0004
DIRECT_WORK: Final = 1000
"""How much work of a turn may be done without the backlog, in the units of `Client.work`."""


class Served(Protocol):
    """The part of a session that the backlog uses."""

    is_queued: bool
    """Whether the backlog holds the session; set by the backlog."""

    def serve(self, until: float) -> bool:
        """Work until a time of the loop's clock; return whether more work can be done now.

        At least one step is done, whatever the time is.
        """


class Chores:
    """Work that no client has requested, such as the removal of members that have disconnected.

    The backlog serves it like a session: one slice of work at a time.
    """

    def __init__(self, loop: Loop) -> None:
        self.is_queued = False
        self._loop = loop
        self._steps: deque[Iterator[None]] = deque()

    def add(self, steps: Iterator[None]) -> None:
        """Do some more steps, after those that wait already."""
        self._steps.append(steps)

    def add_call(self, call: Callable[[], object]) -> None:
        """Make a call, as one step."""
        self.add(_steps_of(call))

    def serve(self, until: float) -> bool:
        while self._steps:
            if next(self._steps[0], _DONE) is _DONE:
                self._steps.popleft()
            if self._loop.time() >= until:
                break
        return bool(self._steps)

    def complete(self) -> None:
        """Do all steps now."""
        while self._steps:
            self.serve(math.inf)


_DONE: Final = object()


def _steps_of(call: Callable[[], object]) -> Iterator[None]:
    call()
    yield


class _Queue(deque[Served]):
    """Sessions that wait, the time of a slice, and the queue of those with more to do then."""

    def __init__(self, slice_s: float, rest: _Queue | None = None) -> None:
        super().__init__()
        self.slice_s = slice_s
        self.rest = self if rest is None else rest


class Backlog:
    """The sessions that have work to do."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._waiting = _Queue(SLICE_S)
        self._newcomers = _Queue(SLICE_S, self._waiting)
        self._fresh = _Queue(FIRST_SLICE_S, self._waiting)
        self._quick = _Queue(0.0, self._fresh)
        self._queues = (self._quick, self._fresh, self._newcomers, self._waiting)
        self._is_scheduled = False
        self._turn = loop.now
        self._direct_work = 0

    def may_bypass(self) -> bool:
        """Whether a session may handle a line at once: nothing waits, and the turn is young."""
        if self._is_scheduled:
            return False
        if self._turn != self._loop.now:
            self._turn, self._direct_work = self._loop.now, 0
        return self._direct_work < DIRECT_WORK

    def note_bypass(self, work: int) -> None:
        """Count work that was done at once."""
        self._direct_work += work

    def add_fresh(self, session: Served, *, is_quick: bool = False) -> None:
        """Serve a member's session that has received input, at the end of this turn.

        If `is_quick`, one line is handled before those of other sessions.
        """
        self._add(self._quick if is_quick else self._fresh, session)

    def add_newcomer(self, session: Served) -> None:
        """Serve a session that has received input and registers, after those of members."""
        self._add(self._newcomers, session)

    def add(self, session: Served) -> None:
        """Serve a session that waits no longer, after those with new input."""
        self._add(self._waiting, session)

    def _add(self, queue: _Queue, session: Served) -> None:
        if not session.is_queued:
            session.is_queued = True
            queue.append(session)
            self._schedule()

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.defer(self._serve)

    def _serve(self) -> None:
        owed = [queue for queue in self._queues[1:] if queue]
        now = self._loop.time()
        end = now + TURN_S
        while queue := self._next_queue():
            owed = [other for other in owed if other is not queue]
            now = self._serve_next(queue, now)
            if now > end:
                break
        for queue in owed:  # new input without end may delay it, but no more
            now = self._serve_next(queue, now)
        self._is_scheduled = self._next_queue() is not None
        if self._is_scheduled:
            self._loop.call_next_turn(self._serve)

    def _next_queue(self) -> _Queue | None:
        return next(filter(None, self._queues), None)

    def _serve_next(self, queue: _Queue, now: float) -> float:
        """Serve the first session of a queue; return the time afterwards."""
        session = queue.popleft()
        if session.serve(now + queue.slice_s):
            queue.rest.append(session)
        else:
            session.is_queued = False
        return self._loop.time()
