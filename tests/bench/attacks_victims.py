"""The innocent clients: members of a channel that send PINGs and note how long the replies take."""

from __future__ import annotations

import selectors
import socket
import time
from dataclasses import dataclass
from typing import Final

from tests.bench.chat_members import PATIENCE_S, join

_COUNT: Final = 20
_RATE: Final = 3.0  # lines a second of each one: less than flood control permits


@dataclass(frozen=True, slots=True)
class Latencies:
    """The times between PING and PONG."""

    count: int
    p50_ms: float
    p99_ms: float
    max_ms: float


class Victims:
    """Some members of the channel #bench."""

    def __init__(self, port: int) -> None:
        self._selector = selectors.DefaultSelector()
        self._sent: dict[socket.socket, float] = {}
        self._latencies: list[float] = []
        self._socks = join(port, _COUNT, "v")
        for sock in self._socks:
            self._selector.register(sock, selectors.EVENT_READ)

    def measure(self, seconds: float) -> Latencies:
        """Send PINGs for some time, and wait for the last replies."""
        self._latencies = []
        began = time.perf_counter()
        turn = 0
        while (now := time.perf_counter()) < began + seconds:
            due = began + turn / (_COUNT * _RATE)
            if now >= due:
                self._ping(self._socks[turn % _COUNT])
                turn += 1
            else:
                self._read(due - now)
        self.settle()
        found = sorted(latency * 1000 for latency in self._latencies)
        last = len(found) - 1
        return Latencies(len(found), found[last // 2], found[int(last * 0.99)], found[last])

    def settle(self) -> None:
        """Wait until no reply is missing."""
        deadline = time.perf_counter() + PATIENCE_S
        while self._sent:
            assert time.perf_counter() < deadline, "an innocent client waits for a reply"
            self._read(0.1)

    def close(self) -> None:
        """Disconnect."""
        self._selector.close()
        for sock in self._socks:
            sock.close()

    def _ping(self, sock: socket.socket) -> None:
        if sock not in self._sent:
            self._sent[sock] = time.perf_counter()
            sock.sendall(b"PING victim\r\n")

    def _read(self, within_s: float) -> None:
        for key, _ in self._selector.select(within_s):
            sock = key.fileobj
            assert isinstance(sock, socket.socket)
            data = sock.recv(1 << 16)
            assert data, "an innocent client was disconnected"
            if b" PONG " in data:
                self._latencies.append(time.perf_counter() - self._sent.pop(sock))
