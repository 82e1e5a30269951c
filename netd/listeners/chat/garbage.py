"""Full garbage collections while no client waits.

A full collection takes about 25 ms with 1,000 members. Closed sessions leave no cycles, so little
is ever found; the collections of young objects go on as usual.
"""

from __future__ import annotations

import gc
from typing import Final

_NEVER: Final = 1_000_000
_PERIOD_S: Final = 60.0
_MAX_PERIOD_S: Final = 1800.0  # the next collection also delays clients


class GarbageCollections:
    """Replaces the automatic full collections of this process."""

    def __init__(self, now: float) -> None:
        young, middle, _ = gc.get_threshold()
        gc.set_threshold(young, middle, _NEVER)
        self._collected_at = now
        self._lines = 0

    def check(self, now: float, lines: int) -> bool:
        """Collect if no line came since the last call; `lines` is how many came in all."""
        is_quiet, self._lines = lines == self._lines, lines
        if now - self._collected_at < (_PERIOD_S if is_quiet else _MAX_PERIOD_S):
            return False
        self._collected_at = now
        gc.collect()
        return True
