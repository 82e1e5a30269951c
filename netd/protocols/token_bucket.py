"""A token bucket: allows a burst, and a steady rate after it.

The clock and the limits are arguments, so that a reload's limits apply to buckets in use.
"""

from __future__ import annotations

from typing import Final

from netd.protocols.record import NUMBER, Record


class TokenBucket:
    """Holds at most `burst` tokens and gains `rate` tokens a second; starts full."""

    __slots__ = ("_tokens", "_updated_at")

    def __init__(self, now: float, burst: float) -> None:
        self._tokens = burst
        self._updated_at = now

    def refill(self, now: float, rate: float, burst: float) -> None:
        """Add the tokens gained since the last refill."""
        self._tokens = min(burst, self._tokens + (now - self._updated_at) * rate)
        self._updated_at = now

    def take(self, now: float, rate: float, burst: float) -> bool:
        """Refill, then remove one token. Returns False if there is none."""
        self.refill(now, rate, burst)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def charge(self, tokens: float) -> None:
        """Remove tokens for work that is done already; they may be more than there are."""
        self._tokens -= tokens

    def wait_s(self, rate: float, tokens: float = 1) -> float:
        """Seconds from the last refill until there are so many tokens; 0 if there are."""
        return max(0.0, (tokens - self._tokens) / rate)


BUCKET: Final = Record(TokenBucket, {"_tokens": NUMBER, "_updated_at": NUMBER})
"""A saved TokenBucket; its times are of the clock that the caller uses."""
