"""Many members that join one channel at once, over three hosts."""

from __future__ import annotations

import resource
import select
import socket
import time
from collections.abc import Iterator, Sequence
from typing import Final

from tests.bench.cluster_member import Member
from tests.bench.cluster_networks import Network, netds
from tests.bench.usage import cpu_s, memory_kib

_HOSTS: Final = 3
_SIZES: Final = (5_000, 10_000)
_AT_ONCE: Final = 500  # which are under way
_WAIT_S: Final = 600.0
_PINGS_S: Final = 0.05


def report() -> Iterator[str]:
    """The lines of a Markdown table."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    figures = "joined/s | CPU s, all hosts | longest PING, ms | RSS a host, MiB"
    yield f"| members that join, {_HOSTS} hosts | {figures} |"
    yield "|--:|--:|--:|--:|--:|"
    for count in _SIZES:
        with netds(_HOSTS) as network:
            yield f"| {count:,} | {_measure(network, count)} |"


def _measure(network: Network, count: int) -> str:
    before, started = cpu_s(network.pids), time.monotonic()
    storm = _Storm(network.ports, count)
    storm.run()
    seconds, used = time.monotonic() - started, cpu_s(network.pids) - before
    memory = max(memory_kib(pid)["Rss"] for pid in network.pids) / 1024
    storm.close()
    return f"{count / seconds:,.0f} | {used:.0f} | {1000 * storm.longest_s:.0f} | {memory:.0f}"


class _Storm:
    """Clients that connect and join, some hundreds at a time; one client pings all the while."""

    def __init__(self, ports: Sequence[int], count: int) -> None:
        self._ports, self._count = ports, count
        self._poll = select.epoll()
        self._socks: dict[int, socket.socket] = {}
        self._joining: set[int] = set()
        self._buffer = bytearray(1 << 20)  # its bytes are discarded (tcp(7))
        self._pinger = Member(ports[-1], "pinger")
        self._pinger.await_text(b" 001 ")
        self._pinged_at = 0.0
        self._poll.register(self._pinger.sock, select.EPOLLIN)
        self.longest_s = 0.0
        """The longest time in which a client that is in no channel had its PING answered."""

    def run(self) -> None:
        """Return when all have joined."""
        deadline = time.monotonic() + _WAIT_S
        while len(self._socks) < self._count or self._joining:
            assert time.monotonic() < deadline, f"{len(self._joining)} are still joining"
            while len(self._socks) < self._count and len(self._joining) < _AT_ONCE:
                self._connect()
            self._ping()
            for fd, _ in self._poll.poll(_PINGS_S):
                self._read(fd)

    def _connect(self) -> None:
        number = len(self._socks)
        sock = socket.create_connection(("127.0.0.1", self._ports[number % len(self._ports)]))
        sock.sendall(f"NICK s{number}\r\nUSER s 0 * :x\r\nJOIN #bench\r\n".encode())
        sock.setblocking(False)
        self._socks[sock.fileno()] = sock
        self._joining.add(sock.fileno())
        self._poll.register(sock, select.EPOLLIN)

    def _read(self, fd: int) -> None:
        if fd == self._pinger.sock.fileno():
            self._pinger.await_text(b"PONG")
            self.longest_s = max(self.longest_s, time.monotonic() - self._pinged_at)
            self._pinged_at = 0.0
        elif fd in self._joining:
            if b" 366 " in self._socks[fd].recv(1 << 20):
                self._joining.discard(fd)
        else:
            self._socks[fd].recv_into(self._buffer, 0, socket.MSG_TRUNC)

    def _ping(self) -> None:
        if not self._pinged_at:
            self._pinged_at = time.monotonic()
            self._pinger.send("PING x")

    def close(self) -> None:
        """Disconnect."""
        self._poll.close()
        self._pinger.close()
        for sock in self._socks.values():
            sock.close()
