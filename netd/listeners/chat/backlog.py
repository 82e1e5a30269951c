"""Serves the clients in turn, so that the work of one does not delay the others.

A session with lines to handle, or with the rest of a long reply to send, is served one slice at a
time (`Session.serve`). Members whose input has just arrived come first, so a client that sends few
lines does not wait behind clients with many waiting lines, nor behind clients that come and go;
clients that register come next. Still, each turn serves one of each that wait.

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


class Backlog:
    """The sessions that have work to do."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._fresh: deque[Served] = deque()
        self._newcomers: deque[Served] = deque()
        self._waiting: deque[Served] = deque()
        self._is_scheduled = False
        self._turn = loop.now
        self._direct_work = 0

    def may_bypass(self) -> bool:
        """Whether a session may handle a line at once: nothing waits, and the turn is young.

        While output of an earlier turn waits, the reply would be sent after it.
        """
        if self._is_scheduled or self._loop.has_late_output:
            return False
        if self._turn != self._loop.now:
            self._turn, self._direct_work = self._loop.now, 0
        return self._direct_work < DIRECT_WORK

    def note_bypass(self, work: int) -> None:
        """Count work that was done at once."""
        self._direct_work += work

    def add_fresh(self, session: Served) -> None:
        """Serve a member's session that has received input, at the end of this turn."""
        self._add(self._fresh, session)

    def add_newcomer(self, session: Served) -> None:
        """Serve a session that has received input and registers, after those of members."""
        self._add(self._newcomers, session)

    def add(self, session: Served) -> None:
        """Serve a session that waits no longer, after those with new input."""
        self._add(self._waiting, session)

    def _add(self, queue: deque[Served], session: Served) -> None:
        if not session.is_queued:
            session.is_queued = True
            queue.append(session)
            self._schedule()

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.defer(self._serve)

    def _serve(self) -> None:
        fresh, newcomers, waiting = self._fresh, self._newcomers, self._waiting
        owed = [queue for queue in (newcomers, waiting) if queue]
        now = self._loop.time()
        end = now + TURN_S
        while queue := fresh or newcomers or waiting:
            if queue is not fresh:
                owed = [other for other in owed if other is not queue]
            now = self._serve_next(queue, now)
            if now > end:
                break
        for queue in owed:  # new input without end may delay it, but no more
            now = self._serve_next(queue, now)
        self._is_scheduled = bool(fresh or newcomers or waiting)
        if self._is_scheduled:
            self._loop.call_next_turn(self._serve)

    def _serve_next(self, sessions: deque[Served], now: float) -> float:
        """Serve the first one of some sessions; return the time afterwards."""
        session = sessions.popleft()
        if session.serve(now + (FIRST_SLICE_S if sessions is self._fresh else SLICE_S)):
            self._waiting.append(session)
        else:
            session.is_queued = False
        return self._loop.time()
