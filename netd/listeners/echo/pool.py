"""A pool of slots that serve the same sockets with the same options.

It keeps `spare` of them idle, so that a client never waits for a fork; grows when the slots
ring, shrinks when they stay idle, replaces what ends, and refuses what comes when every slot
there may be is busy. A pool never changes its options or sockets: another takes its place.
"""

from __future__ import annotations

import logging
import math
import os
import select
import socket
from collections.abc import Callable, Sequence
from functools import partial

from netd.listeners.echo.options import Concurrency, EchoOptions
from netd.listeners.echo.runner import ForkRunner, SlotRunner, ThreadRunner
from netd.listeners.echo.scoreboard import Scoreboard, State
from netd.listeners.echo.slot import SlotConfig
from netd.runtime.errnos import CONNECTION_ABORTED, OUT_OF_RESOURCES, TEMPORARY
from netd.runtime.loop import Loop
from netd.runtime.poller import READ

TICK_S = 1.0
_DRAIN_TICK_S = 0.02
_IDLE_TICKS = 10  # a slot nobody needed for so long is surplus
_CRASHES_PER_TICK = 4  # replaced at once; past that the next tick does
_REFUSED_PER_TURN = 64
_CARRIERS: dict[Concurrency, type[ForkRunner | ThreadRunner]] = {
    Concurrency.FORK: ForkRunner,
    Concurrency.THREAD: ThreadRunner,
}
_log = logging.getLogger("netd")


class Pool:
    """One generation of slots; `on_over` is called when it has retired and all are gone."""

    def __init__(
        self,
        loop: Loop,
        board: Scoreboard,
        options: EchoOptions,
        sockets: Sequence[socket.socket],
        on_over: Callable[[Pool], object],
    ) -> None:
        self._loop = loop
        self._board = board
        self._options = options
        self.sockets = list(sockets)
        self._on_over = on_over
        self._carriers: dict[int, SlotRunner] = {}
        self._bell = os.eventfd(0, os.EFD_NONBLOCK)
        self._queue = select.poll()
        for sock in sockets:
            self._queue.register(sock, select.POLLIN)
        self._is_retired = self._is_refusing = self._is_starved = self._is_over = False
        self._crashes = 0  # since the last tick
        self._least_idle: list[int] = []
        loop.watch(self._bell, READ, self._on_bell)
        self._tick = loop.call_every(TICK_S, self._on_tick)
        self._grow()

    def retire(self) -> None:
        """Accept nothing more; each slot leaves when its connection has ended."""
        if self._is_retired:
            return
        self._is_retired = True
        self._tick.cancel()
        self._stop_refusing()
        for carrier in self._carriers.values():
            carrier.retire()
        self._close_sockets()
        self._end_if_over()

    def drain(self) -> None:
        """Serve what waits to be accepted, then retire."""
        if self._is_retired:
            return
        if self._has_queue():
            self._grow()
            self._loop.call_later(_DRAIN_TICK_S, self.drain)
        else:
            self.retire()

    def kill(self) -> None:
        """End every connection now."""
        self.retire()
        for carrier in list(self._carriers.values()):
            carrier.kill()

    def cut(self, index: int) -> None:
        """Let the slot of a row, if it is one of this pool's, end its connection."""
        if index in self._carriers:
            self._carriers[index].cut()

    def _idle(self) -> int:
        states = self._board.states
        ready = (State.STARTING, State.IDLE)
        return sum(states[index] in ready for index in self._carriers)

    def _has_queue(self) -> bool:
        return bool(self._queue.poll(0))

    def _on_bell(self, _mask: int) -> None:
        os.eventfd_read(self._bell)
        self._grow()

    def _grow(self, least: int = 0) -> None:
        wanted = max(least, self._options.spare - self._idle())
        for _ in range(0 if self._is_retired else wanted):
            if not self._start():
                break
        if not self._is_retired and self._is_full() and not self._idle():
            self._start_refusing()

    def _is_full(self) -> bool:
        return self._board.slots() >= self._options.max_connections

    def _start(self) -> bool:
        if self._is_full():
            return False
        index = self._board.find_vacant()
        self._board.states[index] = State.STARTING
        start = _CARRIERS[self._options.concurrency]
        try:
            duty = SlotConfig(self._board, index, self._options, self.sockets, self._bell)
            self._carriers[index] = start(self._loop, duty, self._on_end)
        except OSError as error:
            self._board.states[index] = State.VACANT
            self._on_start_failed(error)
            return False
        self._is_starved = False
        return True

    def _on_start_failed(self, error: OSError) -> None:
        if error.errno not in TEMPORARY:
            raise error
        self._board.counts["failed_starts"] += 1
        if not self._is_starved:
            _log.error("no room for another echo %s: %s", self._options.concurrency, error.strerror)
        self._is_starved = True

    def _on_end(self, carrier: SlotRunner, ended_well: bool) -> None:  # noqa: FBT001 (a callback's second argument)
        del self._carriers[carrier.index]
        self._board.vacate(carrier.index)
        if not ended_well:
            self._board.counts["crashed"] += 1
            self._crashes += 1
        if not self._is_retired and self._crashes <= _CRASHES_PER_TICK:
            # It may have been woken for a connection it did not take: a new slot sees what
            # waits at once, while those that sleep do not wake for it.
            self._grow(least=int(self._has_queue()))
        self._end_if_over()

    def _close_sockets(self) -> None:
        if self._idle():  # a thread may be about to accept from one
            self._loop.call_later(_DRAIN_TICK_S, self._close_sockets)
            return
        for sock in self.sockets:
            sock.close()
        self.sockets.clear()

    def _end_if_over(self) -> None:
        if self._is_retired and not self._carriers and not self._is_over:
            self._is_over = True
            self._close_sockets()
            self._loop.unwatch(self._bell)
            os.close(self._bell)
            self._on_over(self)

    def _on_tick(self) -> None:
        self._crashes = 0
        self._grow()
        self._least_idle = [*self._least_idle, self._idle()][-_IDLE_TICKS:]
        surplus = min(self._least_idle) - self._options.spare
        if surplus > 0 and len(self._least_idle) == _IDLE_TICKS:
            self._shrink(math.ceil(surplus / 2))

    def _shrink(self, count: int) -> None:
        idle = [each for each in self._carriers if self._board.states[each] == State.IDLE]
        for index in idle[-count:]:
            self._carriers[index].retire()

    def _start_refusing(self) -> None:
        if not self._is_refusing:
            self._is_refusing = True
            for sock in self.sockets:
                self._loop.watch(sock.fileno(), READ, partial(self._refuse, sock))

    def _stop_refusing(self) -> None:
        if self._is_refusing:
            self._is_refusing = False
            for sock in self.sockets:
                self._loop.unwatch(sock.fileno())

    def _refuse(self, listening: socket.socket, _mask: int) -> None:
        for _ in range(_REFUSED_PER_TURN):
            if self._idle() or not self._is_full():
                self._stop_refusing()
                self._grow()
                return
            try:
                conn, _ = listening.accept()
            except OSError as error:
                self._on_refusal_failed(error)
                return
            conn.close()
            self._board.counts["refused_full"] += 1

    def _on_refusal_failed(self, error: OSError) -> None:
        if error.errno in OUT_OF_RESOURCES:  # still readable: retry at the next tick
            self._board.counts["accept_failures"] += 1
            self._stop_refusing()
        elif not isinstance(error, BlockingIOError) and error.errno not in CONNECTION_ABORTED:
            raise error
