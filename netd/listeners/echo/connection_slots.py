"""Slots that serve one connection alone, each.

The connection was accepted by the worker, or another slot began to serve it, perhaps in a process
that has ended. Such a slot has no listening socket, and ends with its connection.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from netd.listeners.echo.options import EchoOptions
from netd.listeners.echo.paused_connection import PausedConnection
from netd.listeners.echo.scoreboard import Column
from netd.listeners.echo.slot_set import NOUNS, SlotContext, SlotSet
from netd.listeners.echo.timeouts import Sample, Timeouts
from netd.runtime.loop import Timer

_PER_TURN: Final = 8  # so that starting hundreds of processes does not delay the loop
_RETRY_S: Final = 0.1
MAX_WAIT_S: Final = 30.0  # for a process, thread or descriptor; then the connection is closed

_log = logging.getLogger("netd")


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A connection for which no slot could be started yet."""

    connection: PausedConnection
    options: EchoOptions
    closes_at: float


class ConnectionSlots(SlotSet):
    """The slots of single connections; `on_end` is called when there are none."""

    def __init__(
        self,
        context: SlotContext,
        options: EchoOptions,
        timeouts: Timeouts,
        on_end: Callable[[], object],
    ) -> None:
        super().__init__(context, options.concurrency)
        self._timeouts = timeouts
        self._notify_end = on_end
        self._waiting: deque[_Waiting] = deque()
        self._retry: Timer | None = None

    @property
    def is_empty(self) -> bool:
        """True if there is no connection."""
        return not (self._runners or self._waiting)

    @property
    def waiting(self) -> int:
        """The number of connections that have no slot yet."""
        return len(self._waiting)

    def serve(self, connection: PausedConnection, options: EchoOptions) -> None:
        """Start a slot as soon as the system has room for one.

        A connection that was admitted before goes on even above max_connections.
        """
        slots = self._scoreboard.slots() + len(self._waiting)
        if not connection.is_admitted and slots >= options.max_connections:
            connection.close()
            self._scoreboard.counts["refused_full"] += 1
            return
        tagged = replace(options, tag=connection.tag)
        self._waiting.append(_Waiting(connection, tagged, self._loop.now + MAX_WAIT_S))
        self._start_later(0.0)

    def kill(self) -> None:
        super().kill()
        for connection in self.take_waiting():
            connection.close()

    def take_waiting(self) -> list[PausedConnection]:
        """Return the connections that have no slot; the caller owns them now."""
        waiting, self._waiting = self._waiting, deque()
        return [item.connection for item in waiting]

    def degraded(self) -> str:
        """Why connections wait; empty if none does."""
        if not (self._waiting and self._start_failure):
            return ""
        return f"no room for more echo {NOUNS[self._concurrency]}: {self._start_failure}"

    def _start_waiting(self) -> None:
        if self._is_interrupted:
            return
        started = 0
        while self._waiting and started < _PER_TURN and self._start(self._waiting[0]):
            self._waiting.popleft()
            started += 1
        while self._waiting and not started and self._waiting[0].closes_at <= self._loop.now:
            self._close(self._waiting.popleft().connection)
        if self._waiting:
            self._start_later(0.0 if started == _PER_TURN else _RETRY_S)

    def _start_later(self, delay_s: float) -> None:
        if self._retry is not None:
            self._retry.cancel()
        self._retry = self._loop.call_later(delay_s, self._start_waiting)

    def _start(self, waiting: _Waiting) -> bool:
        connection = waiting.connection
        index = self._scoreboard.find_vacant()
        if index < 0:
            return False
        bytes_moved = self._scoreboard.bytes_moved(index)
        if not self._start_slot(index, waiting.options, connection=connection):
            return False
        if connection.is_admitted:
            self._scoreboard.row(index)[Column.TAKEN_OVER] += 1
            sample = Sample(index, self._scoreboard.number(index), bytes_moved)
            self._timeouts.take_over(sample, connection.since, connection.moved_at)
        return True

    def _close(self, connection: PausedConnection) -> None:
        _log.error("a connection is closed: %s", self._start_failure)
        connection.close()
        self._scoreboard.counts["lost"] += 1

    def _on_slot_end(self, failure: str) -> None:  # noqa: ARG002 (a slot is not replaced)
        self._start_waiting()
        if self.is_empty:
            self._notify_end()
