"""The scoreboard: the state and the counters of each slot, in memory that all slots share.

A slot writes only its own row, so no lock is needed; sums over rows can be slightly out of date.
A row outlives its slot: the next slot continues the row's totals.
"""

from __future__ import annotations

import enum
import mmap
from collections import Counter
from typing import Final

MAX_SLOTS: Final = 4096
COUNTERS: Final = (
    "refused_full",  # connections past max_connections
    "timed_out",
    "crashed",  # slots that ended on their own
    "hung",  # slots that were killed because they took no connection, or did not end one
    "failed_starts",  # no process, memory or descriptor for another slot
    "accept_failures",  # of the worker, which accepts connections to refuse them
    "lost",  # connections that could not be handed over
)
_WORD_BYTES = 8
_WORDS_PER_ROW = 16  # two cache lines, against false sharing


class SlotState(enum.IntEnum):
    """The state of a row; the worker writes STARTING and VACANT, the slot the others.

    The worker also writes BUSY, for a slot that it starts for an open connection, and ENDED, for a
    slot whose connection has arrived or which it kills.
    """

    UNUSED = 0  # never had a slot
    STARTING = 1
    IDLE = 2
    BUSY = 3
    ENDED = 4
    VACANT = 5  # has no slot at present
    PAUSED = 6  # interrupted; the connection is on its way to the worker


class Column(enum.IntEnum):
    """The words of a row."""

    HOST = 0  # hash of the connected peer's address, 0 if there is none
    ACCEPTED = 1  # connections accepted and served
    EXPIRED = 2  # number of the last connection that timed out; written by the worker
    BYTES_IN = 3
    BYTES_OUT = 4
    DENIED = 5
    ADDRESS_FULL = 6
    RESET = 7
    ACCEPT_FAILURES = 8  # no descriptor or memory left
    TAKEN_OVER = 9  # connections that another slot had accepted; written by the worker


class Scoreboard:
    """The rows of all slots; created before the first slot, so that forked slots share it."""

    def __init__(self) -> None:
        size = MAX_SLOTS * (1 + _WORDS_PER_ROW * _WORD_BYTES)
        self.states: Final = mmap.mmap(-1, size)  # one byte for each slot; the words follow
        self.counts: Final = Counter(dict.fromkeys(COUNTERS, 0))
        """The worker's own counters (COUNTERS)."""
        self._words = memoryview(self.states)[MAX_SLOTS:].cast("q")

    def row(self, index: int) -> memoryview:
        """Return the words of a row."""
        start = index * _WORDS_PER_ROW
        return self._words[start : start + _WORDS_PER_ROW]

    def slots(self) -> int:
        """Return the number of rows that have a slot which has not ended."""
        states = self.states[:MAX_SLOTS]
        return MAX_SLOTS - sum(states.count(state) for state in (*_VACANT, SlotState.ENDED))

    def busy(self) -> list[int]:
        """Return the rows whose slots have a connection."""
        states = self.states[:MAX_SLOTS].rstrip(b"\0")
        return [index for index, state in enumerate(states) if state in _WITH_CONNECTION]

    def connections(self) -> int:
        """Return the number of slots that have a connection."""
        return sum(self.states[:MAX_SLOTS].count(state) for state in _WITH_CONNECTION)

    def number(self, index: int) -> int:
        """Return the number of the last connection of a row, which differs from all before."""
        row = self.row(index)
        return row[Column.ACCEPTED] + row[Column.TAKEN_OVER]

    def bytes_moved(self, index: int) -> int:
        """Return how many bytes the slots of a row have received and sent."""
        row = self.row(index)
        return row[Column.BYTES_IN] + row[Column.BYTES_OUT]

    def vacate(self, index: int) -> None:
        """Mark a row whose slot has ended; its totals stay."""
        self.row(index)[Column.HOST] = 0
        self.states[index] = SlotState.VACANT

    def find_vacant(self) -> int:
        """Return the lowest row without a slot; -1 if all rows have one."""
        found = [self.states.find(bytes([state]), 0, MAX_SLOTS) for state in _VACANT]
        return min((index for index in found if index >= 0), default=-1)

    def accept_failures(self) -> int:
        """Return how often there was no descriptor or memory to accept with."""
        return sum(self.column(Column.ACCEPT_FAILURES)) + self.counts["accept_failures"]

    def column(self, column: Column) -> list[int]:
        """Return one word of each row, up to the last row that was ever used."""
        used = len(self.states[:MAX_SLOTS].rstrip(b"\0"))
        return self._words[column : used * _WORDS_PER_ROW : _WORDS_PER_ROW].tolist()


_VACANT = (SlotState.UNUSED, SlotState.VACANT)
_WITH_CONNECTION = (SlotState.BUSY, SlotState.PAUSED)
