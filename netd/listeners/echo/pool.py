"""A pool of slots that serve the same sockets with the same options.

The pool keeps `spare` slots idle, so that a client need not wait for a fork. It starts slots when
few are idle, retires slots that stay idle, replaces slots that have ended, and refuses
connections while all slots that the options allow are busy. Options and sockets of a pool never
change: a new pool replaces it.
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
_IDLE_TICKS = 10  # a slot that was idle for as many ticks is surplus
_CRASHES_PER_TICK = 4  # slots replaced at once; further ones at the next tick
_REFUSED_PER_TURN = 64
_RUNNERS: dict[Concurrency, type[ForkRunner | ThreadRunner]] = {
    Concurrency.FORK: ForkRunner,
    Concurrency.THREAD: ThreadRunner,
}
_log = logging.getLogger("netd")


class Pool:
    """One generation of slots; `on_ended` is called when it is retired and all slots have ended."""

    def __init__(
        self,
        loop: Loop,
        scoreboard: Scoreboard,
        options: EchoOptions,
        sockets: Sequence[socket.socket],
        on_ended: Callable[[Pool], object],
    ) -> None:
        self._loop = loop
        self._scoreboard = scoreboard
        self._options = options
        self.sockets = list(sockets)
        self._on_ended = on_ended
        self._runners: dict[int, SlotRunner] = {}
        self._wakeup = os.eventfd(0, os.EFD_NONBLOCK)
        self._backlogs = select.poll()
        for sock in sockets:
            self._backlogs.register(sock, select.POLLIN)
        self._is_retired = self._is_refusing = self._has_failed_to_start = self._has_ended = False
        self._crashes = 0  # since the last tick
        self._idle_history: list[int] = []
        loop.watch(self._wakeup, READ, self._on_wakeup)
        self._tick = loop.call_every(TICK_S, self._on_tick)
        self._grow()

    def retire(self) -> None:
        """Accept no more connections; slots leave when their connections have ended."""
        if self._is_retired:
            return
        self._is_retired = True
        self._tick.cancel()
        self._stop_refusing()
        for runner in self._runners.values():
            runner.retire()
        self._close_sockets()
        self._check_ended()

    def drain(self) -> None:
        """Serve the connections that wait to be accepted, then retire."""
        if self._is_retired:
            return
        if self._has_backlog():
            self._grow()
            self._loop.call_later(_DRAIN_TICK_S, self.drain)
        else:
            self.retire()

    def kill(self) -> None:
        """End all connections now."""
        self.retire()
        for runner in list(self._runners.values()):
            runner.kill()

    def close_expired(self, index: int) -> None:
        """Have the slot of a row, if it belongs to this pool, close an expired connection."""
        if index in self._runners:
            self._runners[index].close_expired()

    def _idle(self) -> int:
        states = self._scoreboard.states
        ready = (State.STARTING, State.IDLE)
        return sum(states[index] in ready for index in self._runners)

    def _has_backlog(self) -> bool:
        return bool(self._backlogs.poll(0))

    def _on_wakeup(self, _mask: int) -> None:
        os.eventfd_read(self._wakeup)
        self._grow()

    def _grow(self, at_least: int = 0) -> None:
        wanted = max(at_least, self._options.spare - self._idle())
        for _ in range(0 if self._is_retired else wanted):
            if not self._start():
                break
        if not self._is_retired and self._is_full() and not self._idle():
            self._start_refusing()

    def _is_full(self) -> bool:
        return self._scoreboard.slots() >= self._options.max_connections

    def _start(self) -> bool:
        if self._is_full():
            return False
        index = self._scoreboard.find_vacant()
        self._scoreboard.states[index] = State.STARTING
        runner_class = _RUNNERS[self._options.concurrency]
        try:
            config = SlotConfig(self._scoreboard, index, self._options, self.sockets, self._wakeup)
            self._runners[index] = runner_class(self._loop, config, self._on_end)
        except OSError as error:
            self._scoreboard.states[index] = State.VACANT
            self._on_start_failed(error)
            return False
        self._has_failed_to_start = False
        return True

    def _on_start_failed(self, error: OSError) -> None:
        if error.errno not in TEMPORARY:
            raise error
        self._scoreboard.counts["failed_starts"] += 1
        if not self._has_failed_to_start:
            _log.error("no room for another echo %s: %s", self._options.concurrency, error.strerror)
        self._has_failed_to_start = True

    def _on_end(self, runner: SlotRunner, ended_well: bool) -> None:  # noqa: FBT001 (argument of a callback)
        del self._runners[runner.index]
        self._scoreboard.vacate(runner.index)
        if not ended_well:
            self._scoreboard.counts["crashed"] += 1
            self._crashes += 1
        if not self._is_retired and self._crashes <= _CRASHES_PER_TICK:
            # The slot may have been woken for a connection that it did not accept. Idle slots
            # do not wake for that connection any more; a new slot finds it.
            self._grow(at_least=int(self._has_backlog()))
        self._check_ended()

    def _close_sockets(self) -> None:
        if self._idle():  # a thread may be about to accept
            self._loop.call_later(_DRAIN_TICK_S, self._close_sockets)
            return
        for sock in self.sockets:
            sock.close()
        self.sockets.clear()

    def _check_ended(self) -> None:
        if self._is_retired and not self._runners and not self._has_ended:
            self._has_ended = True
            self._close_sockets()
            self._loop.unwatch(self._wakeup)
            os.close(self._wakeup)
            self._on_ended(self)

    def _on_tick(self) -> None:
        self._crashes = 0
        self._grow()
        self._idle_history = [*self._idle_history, self._idle()][-_IDLE_TICKS:]
        surplus = min(self._idle_history) - self._options.spare
        if surplus > 0 and len(self._idle_history) == _IDLE_TICKS:
            self._shrink(math.ceil(surplus / 2))

    def _shrink(self, count: int) -> None:
        states = self._scoreboard.states
        idle = [index for index in self._runners if states[index] == State.IDLE]
        for index in idle[-count:]:
            self._runners[index].retire()

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
            self._scoreboard.counts["refused_full"] += 1

    def _on_refusal_failed(self, error: OSError) -> None:
        if error.errno in OUT_OF_RESOURCES:  # still readable: retry at the next tick
            self._scoreboard.counts["accept_failures"] += 1
            self._stop_refusing()
        elif not isinstance(error, BlockingIOError) and error.errno not in CONNECTION_ABORTED:
            raise error
