"""Orders password checks, so that an address that guesses passwords delays only itself.

Pure: the time is an argument, and a check is any value.

Of the checks that may begin, the one from the source with the fewest wrong passwords comes first;
among equals, one from a source that has logged in before, then from the source with the fewest
recent requests, then from the source that was served least recently. So a first request overtakes
those of many sources with endless requests, even before a password of these was found wrong.
After a wrong password the source's next check is delayed, each time longer.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict, deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from netd.listeners.logins.login_options import LoginOptions
from netd.protocols.record import FLAG, INTEGER, NUMBER, Record, set_attributes

Check = TypeVar("Check")

MAX_SOURCES: Final = 10_000  # that are remembered
MAX_DELAYED_S: Final = 10.0  # the longest wait that a source's own delay may cause
_FORGIVE_AFTER_S: Final = 60.0
_COUNT_REQUESTS_S: Final = 60.0
_MAX_FAILURES: Final = 13  # 2 ** 12 seconds, above any max_login_delay


@dataclass(slots=True)
class _Source(Generic[Check]):
    """A source: its checks that wait, and its history."""

    waiting: deque[Check] = field(default_factory=deque)
    failures: int = 0
    failed_at: float = 0.0
    not_before: float = 0.0
    has_logged_in: bool = False
    requests: int = 0
    requests_since: float = 0.0
    served: int = 0  # a serial number

    def failures_at(self, now: float) -> int:
        """The wrong passwords that are not forgiven."""
        return max(0, self.failures - int((now - self.failed_at) / _FORGIVE_AFTER_S))

    def count_request(self, now: float) -> None:
        """Count a request for a check, whether or not it is refused."""
        if now - self.requests_since > _COUNT_REQUESTS_S:
            self.requests, self.requests_since = 0, now
        self.requests += 1

    def rank(self, now: float) -> tuple[int, bool, int]:
        """Orders sources: the lowest rank is served first.

        Only the magnitude of the number of requests counts, so sources with similar numbers take
        turns.
        """
        return self.failures_at(now), not self.has_logged_in, self.requests.bit_length()


SOURCE: Final = Record(
    _Source,
    {
        "failures": INTEGER,
        "failed_at": NUMBER,
        "not_before": NUMBER,
        "has_logged_in": FLAG,
        "requests": INTEGER,
        "requests_since": NUMBER,
    },
    {"waiting": "the clients' checks begin again", "served": "a place in the order"},
)
"""The history of a source; its times are of the monotonic clock."""


class LoginQueue(Generic[Check]):
    """The checks that wait, by source. A source is a key for an address."""

    def __init__(self, options: LoginOptions) -> None:
        self.options = options
        self._sources: OrderedDict[Hashable, _Source[Check]] = OrderedDict()
        self._queued: dict[Hashable, _Source[Check]] = {}  # those with checks that wait
        self._serial = itertools.count(1)
        self._waiting = 0

    def __len__(self) -> int:
        """The number of checks that wait."""
        return self._waiting

    def add(self, key: Hashable, check: Check, now: float) -> list[Check]:
        """Add a check of a source. Returns the checks that are refused: none, this or another."""
        source = self._remember(key)
        source.count_request(now)
        refused: list[Check] = []
        is_full = len(source.waiting) >= self.options.max_waiting_logins_per_address
        if is_full or self._wait_s(source, len(source.waiting), now) > MAX_DELAYED_S:
            return [check]
        if self._waiting >= self.options.max_waiting_logins:
            worst = max(self._queued, key=lambda key: self._load(self._queued[key], now))
            ours = (*source.rank(now), len(source.waiting) + 1)
            if self._load(self._queued[worst], now) <= ours:
                return [check]
            refused.append(self._withdraw(worst))
        source.waiting.append(check)
        self._queued[key] = source
        self._waiting += 1
        return refused

    def take(self, now: float) -> tuple[Hashable, Check] | None:
        """Remove and return the check to begin now, with its source; None if none may begin."""
        due = [key for key, source in self._queued.items() if source.not_before <= now]
        if not due:
            return None
        key = min(due, key=lambda key: (*self._queued[key].rank(now), self._queued[key].served))
        source = self._queued[key]
        source.served = next(self._serial)
        check = source.waiting.popleft()
        self._removed(key)
        return key, check

    def next_s(self, now: float) -> float | None:
        """Seconds until `take` returns a check; None if no check waits."""
        begins = (source.not_before for source in self._queued.values())
        earliest = min(begins, default=None)
        return None if earliest is None else max(0.0, earliest - now)

    def is_delayed(self, key: Hashable, now: float) -> bool:
        """Whether a check of this source has to wait for earlier wrong passwords."""
        source = self._sources.get(key)
        return source is not None and (bool(source.waiting) or source.not_before > now)

    def save(self) -> list[list[Any]]:
        """The history of all sources as plain data, without the checks that wait."""
        return [[key, SOURCE.save(source)] for key, source in self._sources.items()]

    def load(self, sources: dict[Hashable, dict[str, Any]]) -> None:
        """Add the history of sources, as SOURCE has loaded it."""
        for key, attributes in sources.items():
            set_attributes(self._remember(key), attributes)

    def record_right(self, key: Hashable) -> None:
        """Record that a password of this source was right."""
        self._remember(key).has_logged_in = True

    def record_wrong(self, key: Hashable, now: float) -> list[Check]:
        """Record that a password of this source was wrong.

        Returns its checks that would now be delayed too long, and are refused.
        """
        source = self._remember(key)
        source.failures = min(source.failures_at(now) + 1, _MAX_FAILURES)
        source.failed_at = now
        source.has_logged_in = False
        source.not_before = now + self._delay_s(source, now)
        return list(self._withdraw_delayed(key, source, now))

    def _withdraw_delayed(
        self, key: Hashable, source: _Source[Check], now: float
    ) -> Iterator[Check]:
        while source.waiting:
            if self._wait_s(source, len(source.waiting) - 1, now) <= MAX_DELAYED_S:
                break
            yield self._withdraw(key)

    def _wait_s(self, source: _Source[Check], ahead: int, now: float) -> float:
        """The delay of a check of the source with others `ahead`, if their passwords are wrong."""
        return max(0.0, source.not_before - now) + ahead * self._delay_s(source, now)

    def _delay_s(self, source: _Source[Check], now: float) -> float:
        failures = source.failures_at(now)
        if not failures:
            return 0.0
        return min(float(2 ** (failures - 1)), self.options.max_login_delay)

    def _load(self, source: _Source[Check], now: float) -> tuple[int, bool, int, int]:
        return (*source.rank(now), len(source.waiting))

    def _withdraw(self, key: Hashable) -> Check:
        """Remove and return the newest check of a source."""
        check = self._queued[key].waiting.pop()
        self._removed(key)
        return check

    def _removed(self, key: Hashable) -> None:
        self._waiting -= 1
        if not self._queued[key].waiting:
            del self._queued[key]

    def _remember(self, key: Hashable) -> _Source[Check]:
        """The source of a key; above the limit, the source used least recently is forgotten."""
        source = self._sources.setdefault(key, _Source())
        self._sources.move_to_end(key)
        if len(self._sources) > MAX_SOURCES:
            idle = (other for other in self._sources if other not in self._queued)
            oldest = next(idle, key)
            if oldest != key:
                del self._sources[oldest]
        return source
