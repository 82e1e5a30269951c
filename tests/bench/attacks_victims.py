"""The innocent clients: they send small requests and note how long the replies take."""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.bench.attacks_load import Client, await_all

COUNT: Final = 20
_RATE: Final = 3.0  # requests a second of each one: less than flood control permits
_PATIENCE_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Service:
    """How a client enters a server, and a small request with the reply that it recognizes."""

    greet: Callable[[int], bytes]
    """What a client sends first, by its number."""
    greeted: bytes
    request: bytes
    reply: bytes


@dataclass(frozen=True, slots=True)
class Latencies:
    """The times between a request and its reply."""

    count: int
    p50_ms: float
    p99_ms: float
    max_ms: float


class Victims:
    """Some clients of a service; their greeting is replied to within `within_s` seconds."""

    def __init__(self, port: int, service: Service, within_s: float) -> None:
        self._service = service
        self._selector = selectors.DefaultSelector()
        self._sent: dict[Client, float] = {}
        self._latencies: list[float] = []
        self._clients = [Client(port) for _ in range(COUNT)]
        for number, client in enumerate(self._clients):
            client.send(service.greet(number))
            self._selector.register(client.sock, selectors.EVENT_READ, client)
        await_all(self._clients, service.greeted, within_s)

    def measure(self, seconds: float) -> Latencies:
        """Send requests for some time, and wait for the last replies."""
        self._latencies = []
        began = time.perf_counter()
        turn = 0
        while (now := time.perf_counter()) < began + seconds:
            due = began + turn / (COUNT * _RATE)
            if now >= due:
                self._request(self._clients[turn % COUNT])
                turn += 1
            else:
                self._read(due - now)
        self._settle()
        found = sorted(latency * 1000 for latency in self._latencies)
        last = len(found) - 1
        return Latencies(len(found), found[last // 2], found[int(last * 0.99)], found[last])

    def close(self) -> None:
        """Disconnect."""
        self._selector.close()
        for client in self._clients:
            client.sock.close()

    def _settle(self) -> None:
        """Wait until no reply is missing."""
        deadline = time.perf_counter() + _PATIENCE_S
        while self._sent:
            late = f"no reply within {_PATIENCE_S:.0f} s"
            assert time.perf_counter() < deadline, late
            self._read(0.1)

    def _request(self, client: Client) -> None:
        if client not in self._sent:
            client.tail = b""
            self._sent[client] = time.perf_counter()
            client.send(self._service.request)

    def _read(self, within_s: float) -> None:
        for key, _ in self._selector.select(within_s):
            client = key.data
            try:
                seen = client.tail + client.receive()
            except EOFError:
                raise AssertionError("an innocent client was disconnected") from None
            if self._service.reply in seen and client in self._sent:
                self._latencies.append(time.perf_counter() - self._sent.pop(client))
