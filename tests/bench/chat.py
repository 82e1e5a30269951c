"""How fast a line reaches the members of a channel: netd's chat beside ngircd, in IRC.

There are two loads, because a change that gains under one load only is not an improvement. Under
`chat_observed` the server never runs out of messages; under `chat_closed` a sender waits for the
slowest member.
"""

from __future__ import annotations

import contextlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from tests.bench import harness_process
from tests.bench.chat_closed import ClosedLoad
from tests.bench.chat_members import Measured, join
from tests.bench.chat_observed import ObservedLoad
from tests.bench.chat_websocket import WebMembers
from tests.bench.harness import Goal, Reading, Server, Work
from tests.bench.usage import cpu_s, family, memory_kib

_SELECT, _EPOLL, _PEER, _LIMIT = (
    "netd (select)",
    "netd (epoll)",
    "ngircd",
    "limit: a trivial server",
)
_WEBSOCKET, _NODE = "netd (WebSocket)", "ws (Node)"
_MANY: Final = 10_000
# Ratios to ngircd, by members. In a small channel Python's work for a message counts, in a large
# one the system calls that send it. ngircd leaves Nagle's algorithm on, so its p99 is a delayed
# acknowledgement (40 ms).
_OBSERVED_GOALS: Final = {50: 1.2, 200: 2.0, 800: 1.2}
_CLOSED_GOALS: Final = {2: 0.4, 15: 1.0, 50: 3.0, 200: 2.5, 800: 1.2}
_ONE_SENDER_GOAL: Final = 0.8
_LISTENER = """
kind = "chat"
address = "tcp://127.0.0.1:{port}"
flood_rate = 0
max_connections = 20000
poller = "{poller}"
ping_after = "1h"
"""
_WEB = """
[listeners.web]
kind = "http"
address = "tcp://127.0.0.1:{port}"
max_connections_per_address = 0
routes = [{{ path = "/chat", chat = "bench" }}]
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

Start = Callable[[], AbstractContextManager[tuple[int, int]]]
"""Starts a server; gives its port and its process."""


class Load(Protocol):
    """Members of one channel; some of them send."""

    def measure(self, seconds: float) -> Measured:
        """Send and receive for some time; every line has arrived when this returns."""

    def close(self) -> None:
        """Disconnect."""


MakeLoad = Callable[[int, int, int, int], Load]
"""Called with a port and the numbers of members, of senders, and of messages in flight."""


@dataclass(frozen=True, slots=True)
class Size:
    """The members, those of them that send, and the messages in flight of each sender."""

    members: int
    senders: int
    in_flight: int = 4

    def __str__(self) -> str:
        return f"{self.members} members, {self.senders} sending, {self.in_flight} in flight"


@dataclass(frozen=True, slots=True)
class Target:
    """A server with its members, and the memory that a member takes there."""

    pid: int
    load: Load
    kib_a_member: float


@contextlib.contextmanager
def _netd(poller: str) -> Iterator[tuple[int, int]]:
    port = harness_process.free_port()
    listener = _LISTENER.format(port=port, poller=poller)
    with harness_process.netd(listener, port) as process:
        for sock in join(port, 1):  # so that the worker runs
            sock.close()
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
def _fanout() -> Iterator[tuple[int, int]]:
    port = harness_process.free_port()
    command = [sys.executable, "-m", "tests.bench.chat_fanout", str(port)]
    with harness_process.program(command, port) as process:
        yield port, process.pid


@contextlib.contextmanager
def _populated(start: Start, make: MakeLoad, size: Size) -> Iterator[Target]:
    with start() as (port, pid):
        before = memory_kib(pid)["Pss"]
        load = make(port, size.members, size.senders, size.in_flight)
        with contextlib.closing(load):
            yield Target(pid, load, (memory_kib(pid)["Pss"] - before) / size.members)


def _measure(target: Target, seconds: float) -> Reading:
    served_s, own_s = cpu_s([target.pid]), time.process_time()
    measured = target.load.measure(seconds)
    served_s, own_s = cpu_s([target.pid]) - served_s, time.process_time() - own_s
    return Reading(
        measured.deliveries / measured.seconds,
        {
            "p50, ms": measured.latency(0.5),
            "p99, ms": measured.latency(0.99),
            "server's CPU, us a delivery": served_s / measured.deliveries_in_all * 1e6,
            "generator's CPU, us a delivery": own_s / measured.deliveries_in_all * 1e6,
            "memory, KiB a member": target.kib_a_member,
        },
    )


def _work(
    name: str, make: MakeLoad, size: Size, starts: dict[str, Start], goal: float | None = None
) -> Work:
    needs = {_PEER: "ngircd"}
    servers = tuple(
        Server(
            server,
            partial(_populated, start, make, size),
            needs=needs.get(server, ""),
            is_limit=server == _LIMIT,
        )
        for server, start in starts.items()
    )
    return Work(
        f"{name}: {size}",
        "deliveries/s",
        _measure,
        servers,
        (Goal(_SELECT, (_PEER,), goal),) if goal else (),
    )


@contextlib.contextmanager
def _netd_web() -> Iterator[tuple[int, int]]:
    """The HTTP port whose route leads to the chat listener, and the chat worker."""
    plain, port = harness_process.free_port(), harness_process.free_port()
    listener = _LISTENER.format(port=plain, poller="epoll") + _WEB.format(port=port)
    with harness_process.netd(listener, port) as process:
        for sock in join(plain, 1):  # so that the worker runs
            sock.close()
        yield port, tuple(family(process.pid))[1]


@contextlib.contextmanager
def _node() -> Iterator[tuple[int, int]]:
    port = harness_process.free_port()
    command = ["node", str(Path(__file__).with_name("chat_node.cjs")), str(port)]
    with harness_process.program(command, port) as process:
        yield port, process.pid


def _has_ws() -> bool:
    """Whether Node finds the package `ws` (npm install ws; NODE_PATH)."""
    command = ["node", "-e", "require('ws')"]
    return (
        shutil.which("node") is not None
        and not subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode
    )


def _websocket(name: str, load: type[ObservedLoad | ClosedLoad], size: Size) -> Work:
    """Members over WebSocket: beside plain ones, and beside a broadcast in Node."""
    over_websocket = partial(load, make=WebMembers)
    servers = {
        _WEBSOCKET: partial(_populated, _netd_web, over_websocket, size),
        _EPOLL: partial(_populated, partial(_netd, "epoll"), load, size),
    }
    goals = [Goal(_WEBSOCKET, (_EPOLL,), 0.85)]
    if _has_ws():
        servers[_NODE] = partial(_populated, _node, over_websocket, size)
        goals.append(Goal(_WEBSOCKET, (_NODE,), 3.0))
    return Work(
        f"chat over WebSocket, {name}: {size}",
        "deliveries/s",
        _measure,
        tuple(Server(name, serve) for name, serve in servers.items()),
        tuple(goals),
    )


def works() -> list[Work]:
    """Both loads on channels of several sizes; and one size that only epoll holds."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    select: Start = partial(_netd, "select")
    two: dict[str, Start] = {_SELECT: select, _PEER: _ngircd}
    three: dict[str, Start] = {**two, _LIMIT: _fanout}
    observed = partial(_work, "chat, paced by one member", ObservedLoad)
    closed = partial(_work, "chat, paced by the slowest member", ClosedLoad)
    return [
        *(observed(Size(count, 10), two, goal) for count, goal in _OBSERVED_GOALS.items()),
        *(observed(Size(count, 1), two, _ONE_SENDER_GOAL) for count in (50, 800)),
        *(observed(Size(200, 10, in_flight), two, 1.0) for in_flight in (1, 16)),
        observed(Size(_MANY, 10), {_EPOLL: partial(_netd, "epoll")}),
        *(_websocket("paced by one member", ObservedLoad, Size(n, 10)) for n in (200, 2000)),
        _websocket("paced by the slowest member", ClosedLoad, Size(200, 10)),
        *(
            closed(Size(count, min(count - 1, 10)), three, goal)
            for count, goal in _CLOSED_GOALS.items()
        ),
        *(closed(Size(count, 1, 1), three, _ONE_SENDER_GOAL) for count in (50, 800)),
    ]
