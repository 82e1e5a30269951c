"""The scoreboard: what each slot of a pool does and has done, in memory all of them share.

Each slot writes its own row only, so nothing needs a lock; sums over rows may be a moment old.
A row outlives its slot: the totals in it go on with the next one.
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
    "crashed",  # slots that ended otherwise than told
    "failed_starts",  # slots the system had no room for
    "accept_failures",  # the worker's own, where it accepts to refuse
)
_WORD_BYTES = 8
_WORDS_PER_ROW = 16  # two cache lines, so neighbours do not disturb one another


class State(enum.IntEnum):
    """What a row's slot is at; the pool writes STARTING and VACANT, the slot the rest."""

    UNUSED = 0  # no slot had this row yet
    STARTING = 1
    IDLE = 2
    BUSY = 3
    ENDED = 4
    VACANT = 5


class Column(enum.IntEnum):
    """The words of a row."""

    HOST = 0  # hash of the present peer's address, 0 for none
    ACCEPTED = 1  # connections served, which numbers the present one too
    CUT = 2  # number of the connection that has had its time; written by the pool
    BYTES_IN = 3
    BYTES_OUT = 4
    DENIED = 5
    ADDRESS_FULL = 6
    RESET = 7
    ACCEPT_FAILURES = 8  # for want of descriptors or memory


class Scoreboard:
    """The rows of one pool; made before any slot is, so that forked ones share it."""

    def __init__(self) -> None:
        size = MAX_SLOTS * (1 + _WORDS_PER_ROW * _WORD_BYTES)
        self.states: Final = mmap.mmap(-1, size)  # one byte a slot, before the words
        self.counts: Final = Counter(dict.fromkeys(COUNTERS, 0))
        """What the worker itself counts, beside the rows."""
        self._words = memoryview(self.states)[MAX_SLOTS:].cast("q")

    def row(self, index: int) -> memoryview:
        """A slot's words."""
        start = index * _WORDS_PER_ROW
        return self._words[start : start + _WORDS_PER_ROW]

    def count(self, state: State) -> int:
        """How many slots are in a state."""
        return self.states[:MAX_SLOTS].count(state)

    def slots(self) -> int:
        """How many rows have a slot."""
        states = self.states[:MAX_SLOTS]
        return MAX_SLOTS - sum(states.count(each) for each in _WITHOUT_SLOT)

    def busy(self) -> list[int]:
        """The rows whose slots serve a connection."""
        states = self.states[:MAX_SLOTS].rstrip(b"\0")
        return [index for index, state in enumerate(states) if state == State.BUSY]

    def vacate(self, index: int) -> None:
        """A row's slot is gone; its totals stay."""
        self.row(index)[Column.HOST] = 0
        self.states[index] = State.VACANT

    def find_vacant(self) -> int:
        """The lowest row without a slot; -1 if all have one."""
        found = [self.states.find(bytes([each]), 0, MAX_SLOTS) for each in _WITHOUT_SLOT]
        return min((index for index in found if index >= 0), default=-1)

    def column(self, column: Column) -> list[int]:
        """A word of every row up to the last that was ever used."""
        used = len(self.states[:MAX_SLOTS].rstrip(b"\0"))
        return self._words[column : used * _WORDS_PER_ROW : _WORDS_PER_ROW].tolist()


_WITHOUT_SLOT = (State.UNUSED, State.VACANT)
