"""How fast one line reaches everybody: netd's chat against ngircd, IRC on both sides."""

from __future__ import annotations

import contextlib
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

from tests.bench import harness_process
from tests.bench.chat_crowd import Crowd
from tests.bench.harness import Goal, Reading, Server, Work
from tests.bench.usage import cpu_s, family, memory_kib

_SELECT, _EPOLL, _PEER = "netd (select)", "netd (epoll)", "ngircd"
_GOALS = ((50, 10, 3.0), (200, 10, 2.5), (800, 10, 1.2))
_IN_FLIGHT = 4
_MANY = 10_000
_LISTENER = """
kind = "chat"
address = "tcp://127.0.0.1:{port}"
flood_rate = 0
max_connections = 20000
poller = "{poller}"
ping_after = "1h"
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
PingTimeout = 3600
[Options]
DNS = no
Ident = no
PAM = no
"""

Up = Callable[[], AbstractContextManager[tuple[int, int]]]
"""Brings a server up; gives its port and its process."""


@dataclass(frozen=True, slots=True)
class Hall:
    """A server with its crowd, and the memory that each of the crowd took there."""

    pid: int
    crowd: Crowd
    kib_a_member: float


@contextlib.contextmanager
def _netd(poller: str) -> Iterator[tuple[int, int]]:
    port = harness_process.free_port()
    listener = _LISTENER.format(port=port, poller=poller)
    with harness_process.netd(listener, port) as process:
        Crowd(port, 1, 0, 0).close()  # so the worker is there
        yield port, tuple(family(process.pid))[1]


@contextlib.contextmanager
def _ngircd() -> Iterator[tuple[int, int]]:
    port = harness_process.free_port()
    with tempfile.NamedTemporaryFile("w") as config:
        config.write(_NGIRCD.format(port=port))
        config.flush()
        with harness_process.program(["ngircd", "-n", "-f", config.name], port) as process:
            yield port, process.pid


@contextlib.contextmanager
def _crowded(up: Up, members: int, senders: int, in_flight: int) -> Iterator[Hall]:
    with up() as (port, pid):
        before = memory_kib(pid)["Pss"]
        crowd = Crowd(port, members, senders, in_flight)
        with contextlib.closing(crowd):
            yield Hall(pid, crowd, (memory_kib(pid)["Pss"] - before) / members)


def _load(hall: Hall, seconds: float) -> Reading:
    served_s, own_s = cpu_s([hall.pid]), time.process_time()
    measured = hall.crowd.measure(seconds)
    served_s, own_s = cpu_s([hall.pid]) - served_s, time.process_time() - own_s
    return Reading(
        measured.deliveries / measured.seconds,
        {
            "p50, ms": measured.latency(0.5),
            "p99, ms": measured.latency(0.99),
            "server's CPU, us each": served_s / measured.deliveries_in_all * 1e6,
            "generator's CPU, us each": own_s / measured.deliveries_in_all * 1e6,
            "memory, KiB a member": hall.kib_a_member,
        },
    )


def _work(
    members: int,
    senders: int,
    ups: dict[str, Up],
    *,
    in_flight: int = _IN_FLIGHT,
    goal: float | None = None,
) -> Work:
    needs = {_PEER: "ngircd"}
    servers = tuple(
        Server(
            name,
            partial(_crowded, up, members, senders, in_flight),
            needs=needs.get(name, ""),
        )
        for name, up in ups.items()
    )
    return Work(
        f"chat, {members} members, {senders} senders, {in_flight} in flight each",
        "deliveries/s",
        _load,
        servers,
        (Goal(_SELECT, (_PEER,), goal),) if goal else (),
    )


def works() -> list[Work]:
    """Crowds that grow, in members and in what they say; and one that only epoll holds."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    both: dict[str, Up] = {_SELECT: partial(_netd, "select"), _PEER: _ngircd}
    return [
        *(_work(members, senders, both, goal=ratio) for members, senders, ratio in _GOALS),
        *(_work(members, 1, both, goal=1.0) for members in (50, 800)),
        *(_work(200, 10, both, in_flight=each, goal=1.0) for each in (1, 16)),
        _work(_MANY, 10, {_EPOLL: partial(_netd, "epoll")}),
    ]
