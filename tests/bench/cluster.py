"""A chat on one, two and three hosts: deliveries, latency and memory.

All processes run on one machine, so more hosts share its processors.
"""

from __future__ import annotations

import contextlib
import select
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tests.bench import harness_process
from tests.bench.usage import family, memory_kib
from tests.cluster.redis_server import RedisServer

_LISTENER: Final = """
kind = "chat"
address = "tcp://127.0.0.1:{port}"
flood_rate = 0
connect_burst = 100000
max_connections = 20000
max_connections_per_address = 0
poller = "epoll"
motd = ""
channel = ""
replay_lines = 0
"""
_CLUSTER: Final = 'cluster = {{ engine = "unix://{path}", node = "n{port}", name = "bench" }}\n'
_MEMBERS: Final = 100  # on each host
_SENDERS: Final = 10  # on each host
_LINES: Final = 300  # of each sender
_PINGS: Final = 300
_STORM: Final = 2000
_WAIT_S: Final = 60.0


class Member:
    """A client in the channel."""

    def __init__(self, port: int, nick: str) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.sendall(f"NICK {nick}\r\nUSER {nick} 0 * :x\r\nJOIN #bench\r\n".encode())
        self._read = b""

    def await_text(self, text: bytes) -> None:
        """Read until a text has come."""
        while text not in self._read:
            self._read = self._read[-len(text) :] + self.sock.recv(1 << 20)
        self._read = self._read.partition(text)[2]


def report() -> Iterator[str]:
    """The lines of a Markdown table."""
    figures = "lines/s | deliveries/s | p50, ms | p99, ms | KiB a member elsewhere"
    yield f"| servers | members | {figures} |"
    yield "|---|--:|--:|--:|--:|--:|--:|"
    for hosts in (1, 2, 3):
        with _netds(hosts) as (ports, pids):
            name = "netd" if hosts == 1 else f"netd, {hosts} hosts"
            yield _row(name, ports, pids)


@contextlib.contextmanager
def _netds(hosts: int) -> Iterator[tuple[list[int], list[int]]]:
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis = RedisServer(directory / "redis")
        stack.callback(redis.kill)
        redis.call("CONFIG", "SET", "appendfsync", "everysec")
        ports, pids = [], []
        for _ in range(hosts):
            port = harness_process.free_port()
            cluster = _CLUSTER.format(path=redis.path, port=port) if hosts > 1 else ""
            listener = _LISTENER.format(port=port) + cluster
            process = stack.enter_context(harness_process.netd(listener, port))
            Member(port, f"first{port}").await_text(b" 366 ")
            ports.append(port)
            pids.append(tuple(family(process.pid))[1])
        yield ports, pids


def _row(name: str, ports: Sequence[int], pids: Sequence[int]) -> str:
    members = _join_all(ports)
    latencies = sorted(_latencies(members[0], members[-1]))
    lines_s = _measure_lines(members, len(ports))
    for member in members:
        member.sock.close()
    memory = _remote_memory(ports, pids) if len(ports) > 1 else 0.0
    count = len(members)
    p50, p99 = (1000 * latencies[int(len(latencies) * share)] for share in (0.5, 0.99))
    figures = (
        f"{lines_s:,.0f} | {lines_s * (count - 1):,.0f} | {p50:.2f} | {p99:.2f} | {memory:.1f}"
    )
    return f"| {name} | {count} | {figures} |"


def _join_all(ports: Sequence[int]) -> list[Member]:
    members = [
        Member(port, f"m{place}x{number}")
        for place, port in enumerate(ports)
        for number in range(_MEMBERS)
    ]
    for member in members:
        member.await_text(b" 366 ")
    _synchronize(members)
    return members


def _synchronize(members: Sequence[Member]) -> None:
    """Wait until all have got what came before."""
    members[0].sock.sendall(b"PRIVMSG #bench :synchronize\r\n")
    for member in members[1:]:
        member.await_text(b":synchronize\r\n")


def _latencies(sender: Member, receiver: Member) -> Iterator[float]:
    """The time of lines from a member of the first host to one of the last, one at a time."""
    for number in range(_PINGS):
        started = time.perf_counter()
        sender.sock.sendall(b"PRIVMSG #bench :ping %d.\r\n" % number)
        receiver.await_text(b":ping %d." % number)
        yield time.perf_counter() - started


def _measure_lines(members: Sequence[Member], hosts: int) -> float:
    """Lines/s until all members have all lines; the senders of all hosts send as they can."""
    senders = [
        members[place * _MEMBERS + number] for place in range(hosts) for number in range(_SENDERS)
    ]
    ends = len(senders)
    text = b"".join(b"PRIVMSG #bench :%03d xxxxxxxxxxxxxxxxxxxxxxxx\r\n" % n for n in range(_LINES))
    poll = select.epoll()
    left = {member.sock.fileno(): ends - (member in senders) for member in members}
    sockets = {member.sock.fileno(): member.sock for member in members}
    unsent = {sender.sock.fileno(): text + b"PRIVMSG #bench :the end\r\n" for sender in senders}
    for fd, sock in sockets.items():
        sock.setblocking(False)
        poll.register(fd, select.EPOLLIN | (select.EPOLLOUT if fd in unsent else 0))
    started = time.perf_counter()
    while any(left.values()):
        assert time.perf_counter() < started + _WAIT_S, "lines are missing"
        for fd, mask in poll.poll(1.0):
            if mask & select.EPOLLOUT:
                unsent[fd] = unsent[fd][sockets[fd].send(unsent[fd]) :]
                if not unsent[fd]:
                    poll.modify(fd, select.EPOLLIN)
            if mask & select.EPOLLIN:
                left[fd] -= sockets[fd].recv(1 << 20).count(b":the end\r\n")
    seconds = time.perf_counter() - started
    poll.close()
    for sock in sockets.values():
        sock.setblocking(True)
    return len(senders) * (_LINES + 1) / seconds


def _remote_memory(ports: Sequence[int], pids: Sequence[int]) -> float:
    """The memory that a member of the first host takes on the last one, in KiB."""
    before = memory_kib(pids[-1])["Rss"]
    storm = [Member(ports[0], f"s{number}") for number in range(_STORM)]
    for member in storm:
        member.await_text(b" 366 ")
    after = memory_kib(pids[-1])["Rss"]
    for member in storm:
        member.sock.close()
    return (after - before) / _STORM
