"""Positions in the log, and the decision what a new epoch means for a node that has read so far.

An id in the log is `<epoch>-<number>`. The numbers are dense: each entry has the number of the one
before it plus one, also over epochs. An epoch is one run of the engine: when the engine was
restarted or another one has taken its place, the first node that connects begins a new epoch at the
number of the last entry that this engine has (the base). A node that has applied more than the base
has seen entries that the engine has lost.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


@dataclass(frozen=True, order=True, slots=True)
class Position:
    """The place of an entry in the log."""

    epoch: int
    number: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.number}"


START = Position(0, 0)
"""Before the first entry."""


def parse_position(text: bytes) -> Position:
    """Read an id of the log. Raises ValueError."""
    epoch, dash, number = text.partition(b"-")
    if not dash:
        raise ValueError(f"{text!r} is not the id of an entry")
    return Position(int(epoch), int(number))


class Step(enum.Enum):
    """The place of an entry of the log after those that a node has applied."""

    NEXT = enum.auto()
    """It follows the last one that was applied."""
    KNOWN = enum.auto()
    """It was applied already."""
    GAP = enum.auto()
    """Entries before it were removed from the log: the node loads a snapshot."""


def step_to(applied: Position, entry: Position) -> Step:
    """Compare an entry with the last one that was applied."""
    if entry.number <= applied.number and entry.epoch == applied.epoch:
        return Step.KNOWN
    return Step.NEXT if entry.number == applied.number + 1 else Step.GAP


def is_rewound(applied: Position, epoch: int, base: int) -> bool:
    """Whether the engine has lost entries that a node has applied.

    `epoch` is the engine's present one and `base` the number of the last entry before it.
    """
    return epoch != applied.epoch and applied.number > base
