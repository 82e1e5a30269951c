"""Checks once in each tick whether the slots of a pool accept the connections that wait."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from netd.listeners.echo.scoreboard import Column, Scoreboard

HUNG_TICKS: Final = 5
"""Idle slots that leave a connection waiting for this number of ticks count as hung."""

_TAKEN: Final = (Column.ACCEPTED, Column.DENIED, Column.ADDRESS_FULL, Column.ACCEPT_FAILURES)


class SlotWatch:
    """Compares the scoreboard of each tick with that of the tick before."""

    def __init__(self, scoreboard: Scoreboard) -> None:
        self._scoreboard = scoreboard
        self._taken: list[int] = []
        self._ticks_without_progress = 0
        self._failures = scoreboard.accept_failures()
        self.cannot_accept = False
        """Whether an accept failed since the last tick because no descriptor or memory was left."""

    def is_hung(self, slots: Iterable[int], *, has_waiting_client: bool) -> bool:
        """Record a tick. Returns whether these slots have accepted no connection for too long.

        With `has_waiting_client`, a connection waits that an idle slot should accept.
        """
        before, self._failures = self._failures, self._scoreboard.accept_failures()
        self.cannot_accept = self._failures > before
        taken = [sum(self._scoreboard.row(index)[column] for column in _TAKEN) for index in slots]
        is_stalled = has_waiting_client and taken == self._taken
        self._taken = taken
        self._ticks_without_progress = self._ticks_without_progress + 1 if is_stalled else 0
        if self._ticks_without_progress < HUNG_TICKS:
            return False
        self._ticks_without_progress = 0
        return True
