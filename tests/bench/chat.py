"""How fast one line reaches everybody: netd's chat against ngircd, IRC on both sides.

Some of a channel's members each keep four messages in flight: a message is over when one
member that never speaks, the observer, has it. Latency is from the sending to the observer's
reading. Everybody reads as soon as there is something, so the generator is busy too: a server
that sends many small pieces makes it slower, as it would make real clients.
"""

from __future__ import annotations

import contextlib
import select
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.bench import harness_process
from tests.bench.harness import Goal, Server, Work

IN_FLIGHT = 4
_CHUNK_BYTES = 1 << 18
_TEXT = "x" * 40
_SCENES = ((50, 10, 3.0), (200, 10, 2.5), (800, 10, 1.2), (50, 1, 1.0), (800, 1, 1.0))
_MANY = 10_000
_LISTENER = """
kind = "chat"
address = "tcp://127.0.0.1:{port}"
flood_control = false
max_connections = 20000
poller = "{poller}"
"""
_NGIRCD = """
[Global]
Name = irc.bench.test
Info = bench
Listen = 127.0.0.1
Ports = {port}
[Limits]
MaxConnectionsIP = 0
MaxPenaltyTime = 0
[Options]
DNS = no
Ident = no
PAM = no
"""


class Crowd:
    """Members of one channel, the first of them the observer, the next ones the senders."""

    def __init__(self, port: int, members: int, senders: int) -> None:
        self._socks = [_join(port, index) for index in range(members)]
        for sock in self._socks:
            _await_quiet(sock)
            sock.setblocking(False)
        self._observer = self._socks[0]
        self._senders = self._socks[1 : senders + 1]
        self._poll = select.epoll()
        self._by_fd = {sock.fileno(): sock for sock in self._socks}
        for fd in self._by_fd:
            self._poll.register(fd, select.EPOLLIN)
        self._lines = 0
        self._partial = b""
        self._latencies: list[float] = []

    def measure(self, seconds: float) -> tuple[float, list[float]]:
        """Deliveries each second, and latencies in milliseconds."""
        for sender in range(len(self._senders)):
            for _ in range(IN_FLIGHT):
                self._send(sender)
        self._turn_until(time.perf_counter() + seconds / 5)
        self._lines, self._latencies = 0, []
        started = time.perf_counter()
        self._turn_until(started + seconds)
        return self._lines / (time.perf_counter() - started), self._latencies

    def close(self) -> None:
        """Hang up."""
        self._poll.close()
        for sock in self._socks:
            sock.close()

    def _turn_until(self, deadline: float) -> None:
        observer = self._observer
        while time.perf_counter() < deadline:
            for fd, _ in self._poll.poll(1):
                sock = self._by_fd[fd]
                data = sock.recv(_CHUNK_BYTES)
                assert data, "the server closed a connection"
                self._lines += data.count(b"\n")
                if sock is observer:
                    self._observe(data)

    def _observe(self, data: bytes) -> None:
        now = time.perf_counter()
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            if b" PRIVMSG " in line:
                sender, sent = line.rsplit(b":", 1)[1].split()[:2]
                self._latencies.append((now - float(sent)) * 1000)
                self._send(int(sender))

    def _send(self, sender: int) -> None:
        line = f"PRIVMSG #bench :{sender} {time.perf_counter():.7f} {_TEXT}\r\n"
        self._senders[sender].send(line.encode())


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
        data = sock.recv(_CHUNK_BYTES)
        assert data, seen
        seen = seen[-100:] + data


@contextlib.contextmanager
def _netd(poller: str) -> Iterator[tuple[str, int, int]]:
    port = harness_process.free_port()
    with harness_process.netd(_LISTENER.format(port=port, poller=poller), port) as process:
        _join(port, 0).close()  # so the worker is there
        yield f"netd ({poller})", port, _worker_of(process.pid)


@contextlib.contextmanager
def _ngircd() -> Iterator[tuple[str, int, int]]:
    port = harness_process.free_port()
    with tempfile.NamedTemporaryFile("w") as config:
        config.write(_NGIRCD.format(port=port))
        config.flush()
        with harness_process.program(["ngircd", "-n", "-f", config.name], port) as process:
            yield "ngircd", port, process.pid


def _worker_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def _private_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1])
    raise AssertionError("no Private_Dirty")


def _load(members: int, senders: int, served: tuple[str, int, int], seconds: float) -> float:
    """Deliveries a second; latency and memory are told on the way."""
    name, port, pid = served
    before = _private_kib(pid)
    crowd = Crowd(port, members, senders)
    grown = (_private_kib(pid) - before) / members
    try:
        rate, latencies = crowd.measure(seconds)
    finally:
        crowd.close()
    latencies.sort()
    p50, p99 = (latencies[int(len(latencies) * share)] for share in (0.5, 0.99))
    print(
        f"{name}, {members} members: p50 {p50:.2f} ms, p99 {p99:.2f} ms, "
        f"{grown:.1f} KiB more for each member",
        file=sys.stderr,
    )
    return rate


def works() -> list[Work]:
    """The crowds, growing; and one that only epoll holds."""
    select_, epoll_ = (
        Server(f"netd ({poller})", partial(_netd, poller)) for poller in ("select", "epoll")
    )
    peer = Server("ngircd", _ngircd, needs="ngircd")
    crowds = [
        Work(
            f"chat, {members} members, {senders} senders",
            "deliveries/s",
            partial(_load, members, senders),
            (select_, peer),
            (Goal(select_.name, (peer.name,), ratio),),
        )
        for members, senders, ratio in _SCENES
    ]
    many = Work(
        f"chat, {_MANY} members, 10 senders", "deliveries/s", partial(_load, _MANY, 10), (epoll_,)
    )
    return [*crowds, many]
