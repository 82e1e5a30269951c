"""A load in closed rounds: a sender sends its next message when every member has the one before.

A sender keeps a number of messages in flight. A message is over when the slowest member has it, and
its latency is the time until then. So a server that lets any member wait gets fewer messages. All
members read as soon as they have received something.
"""

from __future__ import annotations

import time
from collections import Counter, deque

from tests.bench.chat_members import PATIENCE_S, Measured, Members

_WARMUP = 0.2  # of the time measured


class ClosedLoad:
    """Members of one channel, and senders that wait for all of them."""

    def __init__(
        self,
        port: int,
        members: int,
        senders: int,
        in_flight: int,
        make: type[Members] = Members,
    ) -> None:
        self._members = make(port, members, senders)
        self._in_flight = in_flight
        letters = {sock.fileno(): letter for letter, sock in self._members.senders.items()}
        self._listeners = [fd for fd in self._members.received if fd not in letters]
        self._slowest = self._listeners[0]
        self._had = 0  # bytes that the slowest member had when it was found to be the slowest
        self._over = Counter(self._members.sent)  # messages that every member has, by letter
        self._order = bytearray()  # letters of the messages that some member may not have yet
        self._sent_at = {letter: deque[float]() for letter in self._members.senders}
        self._latencies_ms: list[float] = []

    def measure(self, seconds: float) -> Measured:
        """Send and receive for some time; every line has arrived when this returns."""
        members = self._members
        at_first = members.deliveries
        for letter in members.senders:
            self._send(letter, self._in_flight)
        self._run_until(time.perf_counter() + seconds * _WARMUP)
        before, self._latencies_ms = members.deliveries, []
        started = time.perf_counter()
        self._run_until(started + seconds)
        took, lines = time.perf_counter() - started, members.deliveries - before
        latencies_ms = sorted(self._latencies_ms)
        while any(self._sent_at.values()):
            self._read()
            self._finish()
        members.settle()
        return Measured(lines, took, latencies_ms, members.deliveries - at_first)

    def close(self) -> None:
        """Disconnect."""
        self._members.close()

    def _run_until(self, deadline: float) -> None:
        while time.perf_counter() < deadline:
            self._read()
            if self._members.received[self._slowest] > self._had:
                for letter, count in self._finish().items():
                    self._send(letter, count)

    def _read(self) -> None:
        members = self._members
        ready = members.poll.poll(PATIENCE_S)
        assert ready, "no member was sent anything"
        self._order += members.letters(members.read(ready))

    def _send(self, letter: int, count: int) -> None:
        self._sent_at[letter].extend([time.perf_counter()] * count)
        self._members.send(letter, count)

    def _finish(self) -> Counter[int]:
        """Take note of the messages that every member has by now; returns how many, by letter."""
        count = self._find_slowest() - self._over.total()
        finished = Counter(self._order[:count])
        del self._order[:count]
        self._over += finished
        now = time.perf_counter()
        for letter, messages in finished.items():
            sent_at = self._sent_at[letter]
            self._latencies_ms += [(now - sent_at.popleft()) * 1000 for _ in range(messages)]
        return finished

    def _find_slowest(self) -> int:
        """Find the member that has the fewest messages, and give how many those are.

        A sender does not receive its own messages. They are counted as soon as it has received the
        messages before them in the channel's order.
        """
        received, line_bytes = self._members.received, self._members.line_bytes
        slowest = min(self._listeners, key=received.__getitem__)
        over, count = self._over.total(), received[slowest] // line_bytes
        for letter, sock in self._members.senders.items():
            fd = sock.fileno()
            has = received[fd] // line_bytes + self._over[letter]
            while count > has + (own := self._order.count(letter, 0, count - over)):
                slowest, count = fd, has + own
        self._slowest, self._had = slowest, received[slowest]
        return count
