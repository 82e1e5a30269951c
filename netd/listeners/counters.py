"""The figures of a service, a worker or a listener: totals that only grow, and gauges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Counters:
    """Totals count events since the start; gauges are values of the present moment."""

    totals: Mapping[str, int] = field(default_factory=dict)
    gauges: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: Counters) -> Counters:
        """The sums by name; a name with the sum 0 stays."""
        return Counters(_sum(self.totals, other.totals), _sum(self.gauges, other.gauges))

    def after_exit(self) -> Counters:
        """The figures that stay after the end of the process: its totals."""
        return Counters(self.totals)

    def as_dict(self) -> dict[str, int]:
        """All figures by name, gauges first."""
        return {**self.gauges, **self.totals}


def _sum(left: Mapping[str, int], right: Mapping[str, int]) -> dict[str, int]:
    both: Counter[str] = Counter(left)
    both.update(right)
    return dict(both)
