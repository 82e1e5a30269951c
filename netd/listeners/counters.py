"""The figures of a service, a worker or a listener."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

Series = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Counters:
    """Figures by name."""

    totals: Mapping[str, int] = field(default_factory=dict)
    """Counts of events since the start, which only grow."""

    gauges: Mapping[str, int] = field(default_factory=dict)
    """Values of the present moment."""

    series: Series = field(default_factory=dict)
    """Totals that are counted apart by labels: the values of the labels, with a blank between."""

    moments: Mapping[str, int] = field(default_factory=dict)
    """Times in seconds since the epoch, of which the earliest one counts."""

    shared: Mapping[str, int] = field(default_factory=dict)
    """Values of the moment of what all workers of a listener share; the greatest one counts."""

    def __add__(self, other: Counters) -> Counters:
        """The sums by name, the earliest moments, and the greatest of the shared values.

        A name with the sum 0 stays.
        """
        series = {
            name: _sum(self.series.get(name, {}), other.series.get(name, {}))
            for name in {**self.series, **other.series}
        }
        return Counters(
            _sum(self.totals, other.totals),
            _sum(self.gauges, other.gauges),
            series,
            _pick(min, self.moments, other.moments),
            _pick(max, self.shared, other.shared),
        )

    def after_exit(self) -> Counters:
        """The figures that stay after the end of the process: its totals."""
        return Counters(self.totals, series=self.series)

    def as_dict(self) -> dict[str, int]:
        """The gauges, shared values and totals by name, gauges first."""
        return {**self.gauges, **self.shared, **self.totals}


def _sum(left: Mapping[str, int], right: Mapping[str, int]) -> dict[str, int]:
    both: Counter[str] = Counter(left)
    both.update(right)
    return dict(both)


def _pick(
    choose: Callable[[Iterable[int]], int], left: Mapping[str, int], right: Mapping[str, int]
) -> dict[str, int]:
    names = {**left, **right}
    return {name: choose(side[name] for side in (left, right) if name in side) for name in names}
