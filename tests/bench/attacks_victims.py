"""The innocent clients: they send small requests and note how long the replies take.

A machine runs the server, its clients and their attackers, and perhaps other work. So they note as
well how much of that time the server, or they themselves, waited for a processor.
"""

from __future__ import annotations

import multiprocessing
import os
import selectors
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from tests.bench.attacks_load import Client, await_all
from tests.bench.usage import family, waited_s

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

    p50_ms: float
    p99_ms: float
    max_ms: float
    running_p99_ms: float
    """Without the time in which the server or the client waited for a processor."""
    running_max_ms: float


@dataclass(frozen=True, slots=True)
class _Moment:
    """A time, and how long this process and those of the server have waited for a processor."""

    at: float
    own_s: float
    server_s: tuple[float, ...]

    def waited_since(self, before: _Moment) -> float:
        """How long a request that was sent before has waited, at one of the server's processes."""
        pairs = zip(self.server_s, before.server_s, strict=True)
        return self.own_s - before.own_s + max((now - then for now, then in pairs), default=0.0)


class Victims:
    """Some clients of a service; their greeting is replied to within `within_s` seconds."""

    def __init__(self, port: int, service: Service, within_s: float) -> None:
        self._service = service
        self._selector = selectors.DefaultSelector()
        self._sent: dict[Client, _Moment] = {}
        self._latencies: list[tuple[float, float]] = []
        """Each one with the time in which the server and its client could run."""
        self._server: tuple[int, ...] = ()
        self._clients = [Client(port) for _ in range(COUNT)]
        for number, client in enumerate(self._clients):
            client.send(service.greet(number))
            self._selector.register(client.sock, selectors.EVENT_READ, client)
        await_all(self._clients, service.greeted, within_s)

    def measure(self, seconds: float) -> Latencies:
        """Send requests for some time, and wait for the last replies."""
        self._latencies = []
        self._server = _server_processes()
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
        whole, running = zip(*self._latencies, strict=True)
        _, *running_ms = _percentiles(running)
        return Latencies(*_percentiles(whole), *running_ms)

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
            self._sent[client] = self._now()
            client.send(self._service.request)

    def _read(self, within_s: float) -> None:
        for key, _ in self._selector.select(within_s):
            client = key.data
            try:
                seen = client.tail + client.receive()
            except EOFError:
                raise AssertionError("an innocent client was disconnected") from None
            if self._service.reply in seen and client in self._sent:
                self._note(self._sent.pop(client), self._now())

    def _note(self, sent: _Moment, received: _Moment) -> None:
        latency = received.at - sent.at
        self._latencies.append((latency, max(0.0, latency - received.waited_since(sent))))

    def _now(self) -> _Moment:
        server_s = tuple(map(waited_s, self._server))
        return _Moment(time.perf_counter(), waited_s(os.getpid()), server_s)


def _server_processes() -> tuple[int, ...]:
    """The processes that this one has started, without its helpers."""
    helpers = {helper.pid for helper in multiprocessing.active_children()}
    return tuple(pid for pid in family(os.getpid()) if pid not in {os.getpid(), *helpers})


def _percentiles(latencies: Iterable[float]) -> tuple[float, float, float]:
    """The median, the 99th percentile and the maximum, in milliseconds."""
    found = sorted(latency * 1000 for latency in latencies)
    last = len(found) - 1
    return found[last // 2], found[int(last * 0.99)], found[last]
