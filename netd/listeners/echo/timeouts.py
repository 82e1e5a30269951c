"""Finds the connections that have had their time, from what the board shows.

A slot's own system calls need no timeouts then: progress is seen in its byte counts, which
cost it nothing more. Pure: the numbers and the clock are handed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """What a busy row shows: the connection's number and the bytes moved so far."""

    index: int
    number: int
    moved: int


@dataclass(slots=True)
class _Known:
    number: int
    moved: int
    since: float
    moved_at: float


class Timeouts:
    """Remembers when each present connection was first seen and last seen moving."""

    def __init__(self) -> None:
        self._known: dict[int, _Known] = {}

    def judge(
        self, sights: Sequence[Sample], now: float, idle_timeout_s: float, total_timeout_s: float
    ) -> list[Sample]:
        """Take in what is seen at `now`; those whose time is up. A timeout of 0 is none."""
        known = {each.index: self._recall(each, now) for each in sights}
        self._known = known
        return [
            each
            for each in sights
            if _is_past(now - known[each.index].moved_at, idle_timeout_s)
            or _is_past(now - known[each.index].since, total_timeout_s)
        ]

    def _recall(self, sight: Sample, now: float) -> _Known:
        known = self._known.get(sight.index)
        if known is None or known.number != sight.number:
            return _Known(sight.number, sight.moved, now, now)
        if known.moved != sight.moved:
            known.moved, known.moved_at = sight.moved, now
        return known


def _is_past(elapsed_s: float, timeout_s: float) -> bool:
    return 0 < timeout_s <= elapsed_s
