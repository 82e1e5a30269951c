"""The load of the chat benchmark: a crowd in one channel, of whom some speak all the time.

A message is over when one member that never speaks, the observer, has it; each sender keeps a
number of messages in flight. The observer reads at once. All others read every few milliseconds,
as behind a network card that gathers: so their reading, which for real members costs another
machine, takes little of this one from the server, and as much beside each server.
"""

from __future__ import annotations

import re
import select
import socket
import time
from collections import Counter
from dataclasses import dataclass
from typing import Final

_BUFFER_BYTES: Final = 1 << 18
_GATHER_S: Final = 0.005
_AT_ONCE: Final = 1024  # members read before the observer has its turn again
_JOIN_AT_ONCE: Final = 100
_QUIET_S: Final = 0.05
_TEXT: Final = "x" * 40
_WARMUP: Final = 0.2  # of the time measured
_SAID: Final = re.compile(rb" PRIVMSG #bench :(\d+) (\S+) [^\n]*\n")


@dataclass(frozen=True, slots=True)
class Measured:
    """What a crowd saw in some seconds, and in all until it was quiet again."""

    deliveries: int
    seconds: float
    latencies: list[float]  # in milliseconds, sorted
    deliveries_in_all: int

    def latency(self, share: float) -> float:
        """The latency that this share of messages did not exceed."""
        return self.latencies[int(len(self.latencies) * share)]


class Crowd:
    """Members of one channel; the observer joined when half of the others had."""

    def __init__(self, port: int, members: int, senders: int, in_flight: int) -> None:
        self._in_flight = in_flight
        self._poll = select.epoll()
        self._socks: list[socket.socket] = []
        self._buffer = bytearray(_BUFFER_BYTES)
        self._lines = 0
        for start in range(0, members, _JOIN_AT_ONCE):
            self._join(port, range(start, min(start + _JOIN_AT_ONCE, members)))
        self._observer = self._socks[members // 2]
        self._poll.unregister(self._observer)
        self._observer.settimeout(_GATHER_S)
        self._senders = [each for each in self._socks if each is not self._observer][:senders]
        self._partial = b""
        self._outstanding = 0
        self._latencies: list[float] = []

    def measure(self, seconds: float) -> Measured:
        """Speak and read for some time; everything is over when this returns."""
        self._lines = 0
        for sender in range(len(self._senders)):
            self._send(sender, self._in_flight)
        self._go_on_until(time.perf_counter() + seconds * _WARMUP)
        before, self._lines, self._latencies = self._lines, 0, []
        started = time.perf_counter()
        self._go_on_until(started + seconds)
        took, lines, latencies = time.perf_counter() - started, self._lines, self._latencies
        self._grow_quiet()
        return Measured(lines, took, sorted(latencies), before + self._lines)

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
        while self._gather(_QUIET_S):
            pass

    def _go_on_until(self, deadline: float) -> None:
        gather_at = 0.0
        while (now := time.perf_counter()) < deadline:
            if now >= gather_at:
                self._gather()
                gather_at = time.perf_counter() + _GATHER_S
            self._observe()

    def _grow_quiet(self) -> None:
        while self._outstanding:
            self._observe(is_last=True)
            self._gather()
        while self._gather(_QUIET_S):
            pass

    def _gather(self, patience_s: float = 0) -> int:
        """Read what members have by now; how many had something."""
        buffer, readers, lines = self._buffer, self._readers, 0
        ready = self._poll.poll(patience_s, _AT_ONCE)
        for fd, _ in ready:
            size = readers[fd](buffer)
            assert size, "the server closed a connection"
            lines += buffer.count(b"\n", 0, size)
        self._lines += lines
        return len(ready)

    def _observe(self, *, is_last: bool = False) -> None:
        try:
            data = self._observer.recv(_BUFFER_BYTES)
        except TimeoutError:
            return
        assert data, "the server closed a connection"
        now = time.perf_counter()
        whole, end, self._partial = (self._partial + data).rpartition(b"\n")
        said = _SAID.findall(whole + end)
        self._lines += len(said)
        self._outstanding -= len(said)
        self._latencies += [(now - float(sent)) * 1000 for _, sent in said]
        if not is_last:
            for sender, count in Counter(sender for sender, _ in said).items():
                self._send(int(sender), count)

    def _send(self, sender: int, count: int) -> None:
        line = f"PRIVMSG #bench :{sender} {time.perf_counter():.7f} {_TEXT}\r\n"
        self._senders[sender].send(line.encode() * count)
        self._outstanding += count


def _register(port: int, index: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(f"NICK b{index}\r\nUSER b 0 * :b\r\nPING registered\r\n".encode())
    _read_until(sock, b"registered\r\n")
    return sock


def _read_until(sock: socket.socket, text: bytes) -> None:
    seen = b""
    while text not in seen:
        data = sock.recv(_BUFFER_BYTES)
        assert data, seen
        seen = seen[-100:] + data
