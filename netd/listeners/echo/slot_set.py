"""A set of running slots: starts them, interrupts and kills them, and notes their ends."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from netd.listeners.echo.mailbox import Mailbox
from netd.listeners.echo.options import Concurrency, EchoOptions
from netd.listeners.echo.paused_connection import PausedConnection
from netd.listeners.echo.runner import ForkRunner, SlotRunner, ThreadRunner
from netd.listeners.echo.scoreboard import Scoreboard, SlotState
from netd.listeners.echo.slot import SlotConfig
from netd.runtime.errnos import TEMPORARY
from netd.runtime.loop import Loop

NOUNS: Final = {Concurrency.FORK: "processes", Concurrency.THREAD: "threads"}
RUNNERS: Final[dict[Concurrency, type[ForkRunner | ThreadRunner]]] = {
    Concurrency.FORK: ForkRunner,
    Concurrency.THREAD: ThreadRunner,
}
_log = logging.getLogger("netd")


@dataclass(frozen=True, slots=True)
class SlotContext:
    """The objects that all slots of a worker share."""

    loop: Loop
    scoreboard: Scoreboard
    mailbox: Mailbox
    serve: Callable[[PausedConnection, EchoOptions], object]
    """Starts a slot for one connection."""


class SlotSet:
    """Slots in rows of the scoreboard; `_on_slot_end` is called when one has ended."""

    def __init__(self, context: SlotContext, concurrency: Concurrency) -> None:
        self._context = context
        self._loop = context.loop
        self._scoreboard = context.scoreboard
        self._concurrency = concurrency
        self._runners: dict[int, SlotRunner] = {}
        self._start_failure = ""  # why the last start failed; empty if it succeeded
        self._is_interrupted = False

    @property
    def is_stopped(self) -> bool:
        """True if, after `interrupt`, no slot has a connection, or will accept one."""
        return not self._find_running()

    @property
    def unsent(self) -> list[int]:
        """The slots whose connection is on its way to the worker, and has not arrived."""
        states = self._scoreboard.states
        return [index for index in self._runners if states[index] == SlotState.PAUSED]

    def close_expired(self, index: int) -> None:
        """Close the expired connection of the slot in a row, if this set has that slot."""
        if index in self._runners:
            self._runners[index].close_expired()

    def kill_hung(self, index: int) -> None:
        """Kill the slot in a row, if this set has that slot: its connection did not close."""
        if index in self._runners:
            self._kill_hung([index])

    def kill(self) -> None:
        """End all connections now."""
        for runner in list(self._runners.values()):
            runner.kill()

    def interrupt(self) -> None:
        """Let all slots send their connections to the worker and end; start no slot meanwhile.

        To be called again and again until `is_stopped`, or until `resume`.
        """
        self._is_interrupted = True
        for index in self._find_running():
            self._runners[index].interrupt()

    def resume(self) -> None:
        """Start slots again."""
        self._is_interrupted = False

    def kill_unanswered(self) -> int:
        """Kill the slots that `interrupt` did not end; return how many had a connection.

        Those that are about to send their connection to the worker live: it would be lost.
        """
        unsent = set(self.unsent)
        hung = [index for index in self._find_running() if index not in unsent]
        lost = len(set(hung).intersection(self._scoreboard.busy()))
        if hung:
            self._kill_hung(hung)
        return lost

    def _find_running(self) -> list[int]:
        """The slots that have not ended, or whose connection has not arrived.

        The end of a process takes longer than the rest of a handover, which does not wait for it.
        """
        states = self._scoreboard.states
        return [index for index in self._runners if states[index] != SlotState.ENDED]

    def _start_slot(
        self,
        index: int,
        options: EchoOptions,
        sockets: Sequence[socket.socket] = (),
        pool_wakeup: int = -1,
        connection: PausedConnection | None = None,
    ) -> bool:
        """Start a slot in a vacant row; False if the system has no room for it.

        A slot that is started for one connection owns it.
        """
        has_admitted = connection is not None and connection.is_admitted
        self._scoreboard.states[index] = SlotState.BUSY if has_admitted else SlotState.STARTING
        config = SlotConfig(
            *(self._scoreboard, index, options, sockets),
            *(self._context.mailbox, pool_wakeup, connection),
        )
        try:
            self._runners[index] = RUNNERS[options.concurrency](self._loop, config, self._on_end)
        except OSError as error:
            self._scoreboard.states[index] = SlotState.VACANT
            self._on_start_failed(error)
            return False
        self._start_failure = ""
        return True

    def _on_start_failed(self, error: OSError) -> None:
        if error.errno not in TEMPORARY:
            raise error
        self._scoreboard.counts["failed_starts"] += 1
        if not self._start_failure:
            _log.error("no room for another echo %s: %s", self._concurrency, error.strerror)
        self._start_failure = error.strerror or str(error)

    def _on_end(self, runner: SlotRunner, failure: str) -> None:
        self._context.mailbox.deliver()  # the connection comes before the end of its slot
        del self._runners[runner.index]
        self._scoreboard.vacate(runner.index)
        if failure:
            self._scoreboard.counts["crashed"] += 1
        self._on_slot_end(failure)

    def _on_slot_end(self, failure: str) -> None:
        """A slot has ended; `failure` is empty if it was to end."""
        raise NotImplementedError

    def _kill_hung(self, indexes: Collection[int]) -> None:
        _log.error("%d echo %s hung; killing", len(indexes), NOUNS[self._concurrency])
        self._scoreboard.counts["hung"] += len(indexes)
        for index in indexes:
            self._scoreboard.states[index] = SlotState.ENDED  # its process may end much later
            self._runners[index].retire()
            self._runners[index].kill()
