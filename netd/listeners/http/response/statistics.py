"""Counts the responses of a worker by method and status, and how long they took."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""The upper bounds of the buckets of durations; the last bucket has none."""

Tally = list[int]
"""The number of responses with one method and status; a list, so that it can be counted up."""


class Statistics:
    """A duration lasts from the first byte of a request until its response is ready to be sent.

    For a request that arrives before the response to an earlier one is ready, it begins then. A
    response that is ready as soon as the request is read is counted in its tally alone, and
    belongs to the first bucket: a look at the clock would take a large part of its time.
    """

    __slots__ = ("_slow", "_tallies", "_total_s")

    def __init__(self) -> None:
        self._tallies: dict[tuple[str, int], Tally] = {}
        self._slow = [0] * (len(BOUNDS_S) + 1)
        self._total_s = 0.0

    def tally(self, method: str, status: int) -> Tally:
        """The number of responses with this method and status, to count up."""
        return self._tallies.setdefault((method, status), [0])

    def add(self, method: str, status: int, duration_s: float) -> None:
        """Count a response."""
        self.tally(method, status)[0] += 1
        self._total_s += duration_s
        self._slow[bisect_left(BOUNDS_S, duration_s)] += 1

    @property
    def total_us(self) -> int:
        """The sum of all durations, in microseconds."""
        return round(self._total_s * 1e6)

    def series(self) -> dict[str, dict[str, int]]:
        """The counts as series of Counters: `responses` by "method status", `durations` by bound.

        A count of `durations` is of one bucket alone; the bound of the last one is `+Inf`.
        """
        responses = {f"{method} {status}": n for (method, status), [n] in self._tallies.items()}
        fast = sum(responses.values()) - sum(self._slow)
        bounds = (*map(str, BOUNDS_S), "+Inf")
        durations = dict(zip(bounds, self._slow, strict=True))
        return {"responses": responses, "durations": {**durations, bounds[0]: fast + self._slow[0]}}
