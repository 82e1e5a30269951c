"""The load of the chat benchmark: a crowd in one channel, of whom some speak all the time.

A message is over when one member that never speaks, the observer, has it; each sender keeps a
number of messages in flight. The observer reads at once. All others read every few milliseconds,
as behind a network card that gathers, and the kernel throws away what they read: so their reading,
which for real members costs another machine, takes little of this one from the server, and as
much beside each server. All lines are equally long, so that lengths tell how many they are; at the
end every member must have got every line that another said.
"""

from __future__ import annotations

import re
import select
import socket
import time
from collections import Counter
from dataclasses import dataclass
from typing import Final

_BUFFER_BYTES: Final = 1 << 20
_GATHER_S: Final = 0.005
_AT_ONCE: Final = 64  # members read before the observer has its turn again
_JOIN_AT_ONCE: Final = 100
_QUIET_S: Final = 0.05
_WARMUP: Final = 0.2  # of the time measured
_SAMPLED: Final = 8  # one message's latency of so many
_NAMES: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"  # of senders, as their lines tell them
_LINE: Final = b"PRIVMSG #bench :%c %012.6f " + b"x" * 40 + b"\r\n"
_SAID: Final = re.compile(rb":[^\n]+ PRIVMSG #bench :(.) (.{12}) [^\n]+\n")
_TIME_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class Measured:
    """What a crowd saw in some seconds, and in all until it was quiet again."""

    deliveries: int
    seconds: float
    latencies: list[float]  # in milliseconds, sorted; of some messages
    deliveries_in_all: int

    def latency(self, share: float) -> float:
        """The latency that this share of messages did not exceed."""
        return self.latencies[int(len(self.latencies) * share)]


class Crowd:
    """Members of one channel; the observer joined when half of the others had."""

    def __init__(self, port: int, members: int, senders: int, in_flight: int) -> None:
        self._in_flight = in_flight
        self._started = time.perf_counter()
        self._buffer = bytearray(_BUFFER_BYTES)
        self._poll = select.epoll()
        self._socks: list[socket.socket] = []
        for start in range(0, members, _JOIN_AT_ONCE):
            self._join(port, range(start, min(start + _JOIN_AT_ONCE, members)))
        self._observer = self._socks[members // 2]
        self._poll.unregister(self._observer)
        self._observing = select.poll()
        self._observing.register(self._observer, select.POLLIN)
        self._senders = dict(zip(_NAMES[:senders], self._socks, strict=False))
        self._said = Counter(dict.fromkeys(self._senders, 0))
        self._seen = 0  # by the observer
        self._partial = b""
        self._until_sample = 0
        self._latencies: list[float] = []
        if senders:
            self._learn_form()

    def measure(self, seconds: float) -> Measured:
        """Speak and read for some time; everything is over when this returns."""
        at_first = self._deliveries()
        for sender in self._senders:
            self._send(sender, self._in_flight)
        self._go_on_until(time.perf_counter() + seconds * _WARMUP)
        before, self._latencies = self._deliveries(), []
        started = time.perf_counter()
        self._go_on_until(started + seconds)
        took, lines = time.perf_counter() - started, self._deliveries() - before
        latencies = sorted(self._latencies)
        self._grow_quiet()
        return Measured(lines, took, latencies, self._deliveries() - at_first)

    def close(self) -> None:
        """Hang up."""
        self._poll.close()
        for sock in self._socks:
            sock.close()

    def _join(self, port: int, indexes: range) -> None:
        new = [_register(port, index) for index in indexes]
        for sock in new:
            sock.sendall(b"JOIN #bench\r\nPING joined\r\n")
        for sock in new:
            _read_until(sock, b"joined\r\n")
            sock.setblocking(False)
            self._poll.register(sock, select.EPOLLIN)
        self._socks += new
        self._readers = {each.fileno(): each.recv_into for each in self._socks}
        self._received = dict.fromkeys(self._readers, 0)  # bytes
        self._grow_silent()
        self._received = dict.fromkeys(self._readers, 0)

    def _learn_form(self) -> None:
        """How long a line is that others get, and where in it stands who said it when."""
        sender = next(iter(self._senders))
        self._send(sender, 1)
        line = b""
        while not line.endswith(b"\n"):
            self._observing.poll()
            line += self._observer.recv(_BUFFER_BYTES)
        form = _SAID.fullmatch(line)
        assert form, line
        self._line_bytes, self._name_at, self._time_at = len(line), form.start(1), form.start(2)
        self._seen += 1
        self._grow_quiet()

    def _deliveries(self) -> int:
        return sum(self._received.values()) // self._line_bytes + self._seen

    def _go_on_until(self, deadline: float) -> None:
        gather_at = 0.0
        while (now := time.perf_counter()) < deadline:
            if now >= gather_at:
                self._gather()
                gather_at = time.perf_counter() + _GATHER_S
            self._observe(_GATHER_S)

    def _grow_quiet(self) -> None:
        """Until everybody has everything that others said."""
        while self._seen < self._said.total():
            self._observe(_GATHER_S, is_last=True)
            self._gather()
        self._grow_silent()
        own = {each.fileno(): self._said[name] for name, each in self._senders.items()}
        for fd, received in self._received.items():
            if fd != self._observer.fileno():
                assert received == (self._seen - own.get(fd, 0)) * self._line_bytes

    def _grow_silent(self) -> None:
        while ready := self._poll.poll(_QUIET_S):
            self._discard(ready)

    def _gather(self) -> None:
        """Read what members have by now."""
        ready = self._poll.poll(0, len(self._socks))
        for start in range(0, len(ready), _AT_ONCE):
            self._discard(ready[start : start + _AT_ONCE])
            self._observe(0)

    def _discard(self, ready: list[tuple[int, int]]) -> None:
        buffer, readers, received = self._buffer, self._readers, self._received
        for fd, _ in ready:
            size = readers[fd](buffer, _BUFFER_BYTES, socket.MSG_TRUNC)  # tcp(7): not copied
            assert size, "the server closed a connection"
            received[fd] += size

    def _observe(self, patience_s: float, *, is_last: bool = False) -> None:
        if not self._observing.poll(patience_s * 1000):
            return
        data = self._observer.recv(_BUFFER_BYTES)
        now = time.perf_counter() - self._started
        assert data, "the server closed a connection"
        data = self._partial + data
        count, rest = divmod(len(data), self._line_bytes)
        whole = len(data) - rest
        self._partial = data[whole:]
        assert data[self._line_bytes - 1 : whole : self._line_bytes] == b"\n" * count
        self._seen += count
        self._sample(data, count, now)
        if not is_last:
            for sender, said in Counter(data[self._name_at : whole : self._line_bytes]).items():
                self._send(sender, said)

    def _sample(self, data: bytes, count: int, now: float) -> None:
        for line in range(self._until_sample, count, _SAMPLED):
            at = line * self._line_bytes + self._time_at
            self._latencies.append((now - float(data[at : at + _TIME_BYTES])) * 1000)
        self._until_sample = (self._until_sample - count) % _SAMPLED

    def _send(self, sender: int, count: int) -> None:
        line = _LINE % (sender, time.perf_counter() - self._started)
        self._senders[sender].send(line * count)
        self._said[sender] += count


def _register(port: int, index: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(f"NICK b{index:05}\r\nUSER b 0 * :b\r\nPING registered\r\n".encode())
    _read_until(sock, b"registered\r\n")
    return sock


def _read_until(sock: socket.socket, text: bytes) -> None:
    seen = b""
    while text not in seen:
        data = sock.recv(_BUFFER_BYTES)
        assert data, seen
        seen = seen[-100:] + data
