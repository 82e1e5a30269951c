"""Finds connections that have timed out, from samples of the scoreboard.

The byte counters show a slot's progress, so its own system calls need no time-outs. The clock is
an argument.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MAX_CLOSING_S = 5.0  # a slot that takes longer to close an expired connection counts as hung


@dataclass(frozen=True, slots=True)
class Sample:
    """A busy row: the number of its connection, and the bytes received and sent so far."""

    index: int
    number: int
    bytes_moved: int


@dataclass(slots=True)
class _Seen:
    number: int
    bytes_moved: int
    since: float
    moved_at: float
    expired_at: float | None = None


class Timeouts:
    """Keeps when each open connection was first seen, and when its byte count last changed."""

    def __init__(self) -> None:
        self._seen: dict[int, _Seen] = {}

    def find_expired(
        self, samples: Sequence[Sample], now: float, idle_timeout_s: float, total_timeout_s: float
    ) -> list[Sample]:
        """Record samples taken at `now`, and return those past a time-out (0: no time-out)."""
        seen = {sample.index: self._update(sample, now) for sample in samples}
        self._seen = seen
        expired = [
            sample
            for sample in samples
            if _is_past(now - seen[sample.index].moved_at, idle_timeout_s)
            or _is_past(now - seen[sample.index].since, total_timeout_s)
        ]
        for sample in expired:
            if seen[sample.index].expired_at is None:
                seen[sample.index].expired_at = now
        return expired

    def times_of(self, sample: Sample, now: float) -> tuple[float, float]:
        """The times at which a sample's connection was first seen, and last moved a byte."""
        seen = self._update(sample, now)
        return seen.since, seen.moved_at

    def take_over(self, sample: Sample, since: float, moved_at: float) -> None:
        """Continue with the times that a connection had in another row."""
        self._seen[sample.index] = _Seen(sample.number, sample.bytes_moved, since, moved_at)

    def is_overdue(self, sample: Sample, now: float) -> bool:
        """Whether a connection that has timed out is still open long after."""
        expired_at = self._seen[sample.index].expired_at
        return expired_at is not None and now - expired_at > MAX_CLOSING_S

    def _update(self, sample: Sample, now: float) -> _Seen:
        seen = self._seen.get(sample.index)
        if seen is None or seen.number != sample.number:
            return _Seen(sample.number, sample.bytes_moved, now, now)
        if seen.bytes_moved != sample.bytes_moved:
            seen.bytes_moved, seen.moved_at = sample.bytes_moved, now
        return seen


def _is_past(elapsed_s: float, timeout_s: float) -> bool:
    return 0 < timeout_s <= elapsed_s
