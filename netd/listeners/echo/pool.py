"""A pool of slots that serve the same sockets with the same options.

The pool keeps `spare` slots idle, so that a client need not wait for a fork. It starts slots when
few are idle, retires slots that stay idle, replaces slots that have ended or hang, and refuses
connections while all slots that the options allow are busy. Options and sockets of a pool never
change: a new pool replaces it.
"""

from __future__ import annotations

import contextlib
import math
import os
import random
import select
import socket
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial

from netd.listeners.echo.options import EchoOptions
from netd.listeners.echo.paused_connection import PausedConnection
from netd.listeners.echo.scoreboard import SlotState
from netd.listeners.echo.slot_set import NOUNS, SlotContext, SlotSet
from netd.listeners.echo.slot_watch import SlotWatch
from netd.listeners.full_notice import FullNotice
from netd.listeners.restart_policy import RestartPolicy
from netd.runtime.errnos import CONNECTION_ABORTED, OUT_OF_RESOURCES
from netd.runtime.loop import Timer
from netd.runtime.poller import READ

TICK_S = 1.0
_DRAIN_TICK_S = 0.02
_IDLE_TICKS = 10  # a slot that was idle for this number of ticks is surplus
MAX_LEAVING_S = 5.0  # an idle slot that takes longer to leave hangs
_READY = (SlotState.STARTING, SlotState.IDLE)
_REFUSED_PER_TURN = 64
_CHECK_S = 0.02  # the period in which a full worker checks whether other workers accept
_CHECKS = range(10, 20)  # a random number of checks, so that full workers do not refuse in step


class Pool(SlotSet):
    """One generation of slots; `on_ended` is called when it is retired and all slots have ended."""

    def __init__(
        self,
        context: SlotContext,
        options: EchoOptions,
        sockets: Sequence[socket.socket],
        on_ended: Callable[[Pool], object],
    ) -> None:
        super().__init__(context, options.concurrency)
        self._options = options
        self.sockets = list(sockets)
        self._on_ended = on_ended
        self._wakeup = os.eventfd(0, os.EFD_NONBLOCK)
        self._backlogs = select.poll()
        for sock in sockets:
            self._backlogs.register(sock, select.POLLIN)
        self._is_draining = self._is_retired = self._is_refusing = self._has_ended = False
        self._policy = RestartPolicy()
        self._restart: Timer | None = None  # live while no slot may start, after a crash
        self._crash = ""  # how the last slot that crashed ended
        self._watch = SlotWatch(context.scoreboard)
        self._refusal: Timer | None = None  # live while other workers may accept
        self._checks_left = 0
        self._full = FullNotice(self._loop)
        self._retired_at = math.inf
        self._idle_history: list[int] = []
        self._loop.watch(self._wakeup, READ, self._on_wakeup)
        self._tick = self._loop.call_every(TICK_S, self._on_tick)

    def start(self) -> None:
        """Start the first slots, which accept connections at once."""
        self._grow()

    def retire(self) -> None:
        """Accept no more connections; slots leave when their connections have ended."""
        if self._is_retired:
            return
        self._is_retired = True
        self._retired_at = self._loop.now
        self._tick.cancel()
        self._stop_refusing()
        for runner in self._runners.values():
            runner.retire()
        self._close_sockets()
        self._check_ended()

    @property
    def has_idle_slots(self) -> bool:
        """True while slots hold the listening sockets open."""
        return bool(self._find_idle())

    def drain(self, after: Pool | None = None) -> None:
        """Serve the connections that wait to be accepted, then retire.

        `after` is a retired pool on the same sockets: its slots have to close them first.
        """
        if self._is_retired:
            return
        self._is_draining = True
        may_serve = not self._is_interrupted
        if (may_serve and self._has_backlog()) or (after is not None and after.has_idle_slots):
            self._grow()
            self._loop.call_later(_DRAIN_TICK_S, partial(self.drain, after))
        else:
            self.retire()

    def kill(self) -> None:
        self.retire()
        super().kill()

    @property
    def is_stopped(self) -> bool:
        """As for every set; and no connection waits that only this process can accept."""
        return super().is_stopped and (self._has_ended or not self._is_draining)

    def interrupt(self) -> None:
        self._stop_refusing()
        super().interrupt()

    def resume(self) -> None:
        super().resume()
        self._replace()

    def degraded(self) -> str:
        """Why connections may have to wait; empty if the pool is not degraded."""
        noun = NOUNS[self._options.concurrency]
        if not self._policy.is_settled(self._loop.now):
            return f"echo {noun} keep failing: {self._crash}"
        if (
            self._start_failure
            and len(self._find_idle()) < self._options.spare
            and not self._is_full()
        ):
            return f"no room for more echo {noun}: {self._start_failure}"
        if self._watch.cannot_accept:
            return f"echo {noun} cannot accept: no descriptor or memory is left; connections wait"
        return ""

    def _find_idle(self) -> list[int]:
        states = self._scoreboard.states
        return [index for index in self._runners if states[index] in _READY]

    def _has_backlog(self) -> bool:
        return bool(self._backlogs.poll(0))

    def _on_wakeup(self, _mask: int) -> None:
        with contextlib.suppress(BlockingIOError):  # the event was of a closed one with this number
            os.eventfd_read(self._wakeup)
        self._grow()

    def _grow(self, at_least: int = 0) -> None:
        if self._is_retired or self._is_interrupted:
            return
        for _ in range(max(at_least, self._options.spare - len(self._find_idle()))):
            if not self._start():
                break
        if self._is_full() and not self._find_idle():
            self._start_refusing()

    def _is_full(self) -> bool:
        return self._scoreboard.slots() >= self._options.max_connections

    def _start(self) -> bool:
        """Start a slot, if that is allowed now."""
        if self._is_full() or (self._restart is not None and self._restart.is_live):
            return False
        index = self._scoreboard.find_vacant()
        return index >= 0 and self._start_slot(index, self._options, self.sockets, self._wakeup)

    def _on_slot_end(self, failure: str) -> None:
        if failure:
            self._delay_starts(failure)
        self._replace()
        self._check_ended()

    def _replace(self) -> None:
        # A slot that ended may have been woken for a connection that it did not accept. Idle
        # slots no longer wake for that connection; a new slot finds it.
        if not self._is_retired:
            self._grow(at_least=int(self._has_backlog()))

    def _delay_starts(self, failure: str) -> None:
        """Start no slot for a time after a crash; further crashes in that time are not counted."""
        self._crash = failure
        if self._restart is None or not self._restart.is_live:
            chance = random.random()  # noqa: S311 (jitter, no secret)
            delay_s = self._policy.delay_after_exit(self._loop.now, chance)
            self._restart = self._loop.call_later(delay_s, self._start_again)

    def _start_again(self) -> None:
        self._policy.on_start(self._loop.now)
        self._replace()

    def _close_sockets(self) -> None:
        idle = self._find_idle()
        if idle and self._loop.now - self._retired_at > MAX_LEAVING_S:
            self._kill_hung(idle)
        elif idle:  # a thread may be about to accept
            self._loop.call_later(_DRAIN_TICK_S, self._close_sockets)
            return
        accepted = list(self._accept_waiting()) if self._is_draining else []
        for sock in self.sockets:
            sock.close()
        self.sockets.clear()
        now = self._loop.now
        for conn in accepted:
            self._context.serve(
                PausedConnection(
                    conn, None, self._options.tag, is_admitted=False, since=now, moved_at=now
                ),
                self._options,
            )

    def _accept_waiting(self) -> Iterator[socket.socket]:
        """Accept the connections that came while the slots left.

        The slots have closed their copies of the sockets by now: connections that wait when the
        last copy is closed would be reset.
        """
        for listening in self.sockets:
            with contextlib.suppress(OSError):  # the queue is empty, or there is no descriptor
                while True:
                    yield listening.accept()[0]

    def _check_ended(self) -> None:
        if not self._is_retired or self._runners or self._has_ended:
            return
        self._close_sockets()
        if not self._runners:
            self._has_ended = True
            self._loop.unwatch(self._wakeup)
            os.close(self._wakeup)
            self._on_ended(self)

    def _on_tick(self) -> None:
        if self._is_interrupted:
            return
        idle = self._find_idle()
        is_waiting = bool(idle) and self._has_backlog()
        if self._watch.is_hung(self._runners, has_waiting_client=is_waiting):
            self._kill_hung(idle)
        self._grow()
        self._idle_history = [*self._idle_history, len(self._find_idle())][-_IDLE_TICKS:]
        surplus = min(self._idle_history) - self._options.spare
        if surplus > 0 and len(self._idle_history) == _IDLE_TICKS:
            self._shrink(math.ceil(surplus / 2))

    def _shrink(self, count: int) -> None:
        states = self._scoreboard.states
        idle = [index for index in self._runners if states[index] == SlotState.IDLE]
        for index in idle[-count:]:
            self._runners[index].retire()

    def _kill_hung(self, indexes: Collection[int]) -> None:
        super()._kill_hung(indexes)
        self._delay_starts("they hung and were killed")

    def _start_refusing(self) -> None:
        if not self._is_refusing and not (self._refusal is not None and self._refusal.is_live):
            self._is_refusing = True
            for sock in self.sockets:
                self._loop.watch(sock.fileno(), READ, partial(self._on_waiting, sock))

    def _stop_refusing(self) -> None:
        if self._is_refusing:
            self._is_refusing = False
            for sock in self.sockets:
                self._loop.unwatch(sock.fileno())

    def _on_waiting(self, listening: socket.socket, _mask: int) -> None:
        if self._options.workers == 1:
            self._refuse(listening)
        else:  # the idle slots of another worker, if it has any, accept the connection at once
            self._stop_refusing()
            self._checks_left = random.choice(_CHECKS)  # noqa: S311 (jitter, no secret)
            self._refusal = self._loop.call_later(_CHECK_S, self._check_backlog)

    def _check_backlog(self) -> None:
        """Refuse connections if some were waiting at every check."""
        self._checks_left -= 1
        may_refuse = not (self._is_retired or self._is_interrupted)
        has_backlog = may_refuse and self._has_backlog()
        if has_backlog and self._checks_left:
            self._refusal = self._loop.call_later(_CHECK_S, self._check_backlog)
            return
        for listening in self.sockets if has_backlog else ():
            self._refuse(listening)
        self._grow()

    def _refuse(self, listening: socket.socket) -> None:
        for _ in range(_REFUSED_PER_TURN):
            if self._find_idle() or not self._is_full():
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
            self._full.note(f"all {self._options.max_connections} slots are busy (max_connections)")

    def _on_refusal_failed(self, error: OSError) -> None:
        if error.errno in OUT_OF_RESOURCES:  # still readable: retry at the next tick
            self._scoreboard.counts["accept_failures"] += 1
            self._stop_refusing()
        elif not isinstance(error, BlockingIOError) and error.errno not in CONNECTION_ABORTED:
            raise error
