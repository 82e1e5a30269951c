"""A load in which senders keep the pace of one member that reads at once, the observer.

A sender keeps a number of messages in flight: it sends its next message when the observer has
received an earlier one, independent of the other members. The other members read every few
milliseconds, as behind a network card that coalesces interrupts. So the server always has messages
to send, and the latency is that of the observer. `chat_closed` shows the slowest member's.
"""

from __future__ import annotations

import select
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from tests.bench.chat_members import Measured, Members

_READ_EVERY_S: Final = 0.005
_AT_ONCE: Final = 64  # members that are read before the observer has its turn again
_WARMUP: Final = 0.2  # of the time measured
_SAMPLED: Final = 8  # of so many messages, the latency of one is taken


class ObservedLoad:
    """Members of one channel, and senders that wait for the observer alone."""

    def __init__(
        self,
        port: int,
        members: int,
        senders: int,
        in_flight: int,
        make: Callable[[int, int, int], Members] = Members,
    ) -> None:
        self._members = make(port, members, senders)
        self._count = members
        self._in_flight = in_flight
        self._observing = select.poll()
        self._observing.register(self._members.observer, select.POLLIN)
        self._latencies_ms: list[float] = []

    def measure(self, seconds: float) -> Measured:
        """Send and receive for some time; every line has arrived when this returns."""
        members = self._members
        members.poll.unregister(members.observer)
        at_first = members.deliveries
        for letter in members.senders:
            members.send(letter, self._in_flight)
        self._run_until(time.perf_counter() + seconds * _WARMUP)
        before, self._latencies_ms = members.deliveries, []
        started = time.perf_counter()
        self._run_until(started + seconds)
        took, lines = time.perf_counter() - started, members.deliveries - before
        members.poll.register(members.observer, select.EPOLLIN)
        members.settle()
        return Measured(lines, took, sorted(self._latencies_ms), members.deliveries - at_first)

    def close(self) -> None:
        """Disconnect."""
        self._members.close()

    def _run_until(self, deadline: float) -> None:
        read_at = 0.0
        while (now := time.perf_counter()) < deadline:
            if now >= read_at:
                self._read_all()
                read_at = time.perf_counter() + _READ_EVERY_S
            self._observe(_READ_EVERY_S)

    def _read_all(self) -> None:
        """Read the bytes that the other members have received."""
        ready = self._members.poll.poll(0, self._count)
        for start in range(0, len(ready), _AT_ONCE):
            self._members.read(ready[start : start + _AT_ONCE])
            self._observe(0)

    def _observe(self, patience_s: float) -> None:
        if self._observing.poll(patience_s * 1000):
            lines = self._members.observe()
            self._latencies_ms += self._members.ages_ms(lines, _SAMPLED)
            for letter, count in Counter(self._members.letters(lines)).items():
                self._members.send(letter, count)
