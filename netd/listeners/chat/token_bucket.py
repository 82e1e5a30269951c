"""A token bucket: a burst at once, a steady rate after."""

from __future__ import annotations


class TokenBucket:
    """Holds up to `burst` tokens, gains `rate` a second."""

    __slots__ = ("_at", "_tokens")

    def __init__(self, now: float, burst: float) -> None:
        self._tokens = burst
        self._at = now

    def take(self, now: float, rate: float, burst: float) -> bool:
        """Spend a token if there is one."""
        self._tokens = min(burst, self._tokens + (now - self._at) * rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def wait_s(self, rate: float) -> float:
        """How long from the last `take` until there is a token again."""
        return max(0.0, (1 - self._tokens) / rate)
