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

IN_FLIGHT: Final = 4
_BUFFER_BYTES: Final = 1 << 18
_GATHER_S: Final = 0.005
_AT_ONCE: Final = 1024  # members read before the observer has its turn again
_TEXT: Final = "x" * 40
_WARMUP: Final = 0.2  # of the time measured
_SAID: Final = re.compile(rb" PRIVMSG #bench :(\d+) (\S+) [^\n]*\n")


@dataclass(frozen=True, slots=True)
class Measured:
    """What a crowd saw: latencies in milliseconds, sorted."""

    deliveries_per_s: float
    latencies: list[float]

    def latency(self, share: float) -> float:
        """The latency that this share of messages did not exceed."""
        return self.latencies[int(len(self.latencies) * share)]


class Crowd:
    """Members of one channel; the observer joined when half of the others had."""

    def __init__(self, port: int, members: int, senders: int) -> None:
        self._socks = [_join(port, index) for index in range(members)]
        for sock in self._socks:
            _await_quiet(sock)
            sock.setblocking(False)
        self._observer = self._socks[members // 2]
        self._senders = [each for each in self._socks if each is not self._observer][:senders]
        self._poll = select.epoll()
        self._readers = {each.fileno(): each.recv_into for each in self._socks}
        for fd in self._readers.keys() - {self._observer.fileno()}:
            self._poll.register(fd, select.EPOLLIN)
        self._observer.settimeout(_GATHER_S)
        self._buffer = bytearray(_BUFFER_BYTES)
        self._partial = b""
        self._lines = 0
        self._latencies: list[float] = []

    def measure(self, seconds: float) -> Measured:
        """Speak and read for some time."""
        for sender in range(len(self._senders)):
            self._send(sender, IN_FLIGHT)
        self._go_on_until(time.perf_counter() + seconds * _WARMUP)
        self._lines, self._latencies = 0, []
        started = time.perf_counter()
        self._go_on_until(started + seconds)
        took = time.perf_counter() - started
        return Measured(self._lines / took, sorted(self._latencies))

    def close(self) -> None:
        """Hang up."""
        self._poll.close()
        for sock in self._socks:
            sock.close()

    def _go_on_until(self, deadline: float) -> None:
        gather_at = 0.0
        while (now := time.perf_counter()) < deadline:
            if now >= gather_at:
                self._gather()
                gather_at = time.perf_counter() + _GATHER_S
            try:
                data = self._observer.recv(_BUFFER_BYTES)
            except TimeoutError:
                continue
            self._observe(data)

    def _gather(self) -> None:
        buffer, readers, lines = self._buffer, self._readers, 0
        for fd, _ in self._poll.poll(0, _AT_ONCE):
            size = readers[fd](buffer)
            assert size, "the server closed a connection"
            lines += buffer.count(b"\n", 0, size)
        self._lines += lines

    def _observe(self, data: bytes) -> None:
        assert data, "the server closed a connection"
        now = time.perf_counter()
        whole, end, self._partial = (self._partial + data).rpartition(b"\n")
        said = _SAID.findall(whole + end)
        self._lines += len(said)
        self._latencies += [(now - float(sent)) * 1000 for _, sent in said]
        for sender, count in Counter(sender for sender, _ in said).items():
            self._send(int(sender), count)

    def _send(self, sender: int, count: int) -> None:
        line = f"PRIVMSG #bench :{sender} {time.perf_counter():.7f} {_TEXT}\r\n"
        self._senders[sender].send(line.encode() * count)


def _join(port: int, index: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(f"NICK b{index}\r\nUSER b 0 * :b\r\nJOIN #bench\r\n".encode())
    _read_until(sock, b" 366 ")
    return sock


def _await_quiet(sock: socket.socket) -> None:
    sock.sendall(b"PING quiet\r\n")
    _read_until(sock, b"quiet\r\n")


def _read_until(sock: socket.socket, text: bytes) -> None:
    seen = b""
    while text not in seen:
        data = sock.recv(_BUFFER_BYTES)
        assert data, seen
        seen = seen[-100:] + data
