"""How long innocent clients wait while strangers attack: netd's chat beside ngircd, and its HTTP
beside nginx.

Each attack keeps within the limits that netd has by default, except that a loopback address may
connect as often as it likes, so that no attacker is disconnected for flooding. Thirty attackers, or
a hundred for passwords, come from one source address or from thirty. Meanwhile twenty innocent
clients send small requests: PING of members of a channel with 820, or GET of a short text.

If a figure is long, a second one in parentheses (p99 / max) leaves out the time in which the server
or the client could run, but other processes had the processors.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tests.bench import attacks_chat, attacks_http, attacks_websocket
from tests.bench.attacks_load import Attack, Helper, Target, attacking, crowd
from tests.bench.attacks_setup import Server, Setup
from tests.bench.attacks_victims import Latencies, Victims
from tests.bench.harness import machine

_GOAL_P99_MS, _GOAL_MAX_MS = 20.0, 50.0
_MANY_SOURCES: Final = 30
_LEAVE_AFTER_S: Final = 0.3
_SERVER_S: Final = 900.0  # after which the attacks that are left are not made
_SETUPS: Final = (*attacks_chat.SETUPS, *attacks_websocket.SETUPS, *attacks_http.SETUPS)


@dataclass(frozen=True, slots=True)
class Work:
    """An attack from a number of source addresses; without an attack, the whole crowd leaves."""

    attack: Attack | None
    sources: int
    name: str


@dataclass(frozen=True, slots=True)
class Row:
    """The latencies of innocent clients of one server under one attack, or why there are none."""

    work: Work
    server: str
    latencies: Latencies | None
    failure: str = ""

    @property
    def reaches_goal(self) -> bool:
        """Whether no innocent client waited too long; True for a peer and a row without figures.

        The time in which the server or the client waited for a processor does not count.
        """
        if not self.server.startswith("netd"):
            return True
        found = self.latencies
        if found is None:
            return not self.failure
        return _is_short(found.running_p99_ms, found.running_max_ms)

    def __str__(self) -> str:
        found = self.latencies
        if found is None:
            return self.failure or "-"
        whole = f"{found.p50_ms:.1f} / {found.p99_ms:.1f} / {found.max_ms:.1f}"
        if _is_short(found.p99_ms, found.max_ms):
            return whole
        return f"{whole} ({found.running_p99_ms:.1f} / {found.running_max_ms:.1f})"


def _is_short(p99_ms: float, max_ms: float) -> bool:
    return p99_ms <= _GOAL_P99_MS and max_ms <= _GOAL_MAX_MS


def rows(setup: Setup, only: str, seconds: float, servers: str) -> Iterator[Row]:
    """Attack each server with each attack whose name contains `only`."""
    works = [work for work in _works(setup) if only in work.name]
    for name, server in setup.servers.items():
        if servers in name and works and (not server.needs or shutil.which(server.needs)):
            yield from _attack_server(setup, name, server, works, seconds)


def report(only: str, seconds: float, servers: str, missed: list[str]) -> Iterator[str]:
    """The lines of the table; adds the rows in which netd missed its goal to `missed`."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    busy = f"load average before: {os.getloadavg()[0]:.1f}"
    yield f"Measured on {machine()}, {seconds:g} s for each figure; {busy}."
    for setup in _SETUPS:
        found = []
        for row in rows(setup, only, seconds, servers):
            print(f"{row.work.name}, {row.work.sources}: {row.server}: {row}", file=sys.stderr)
            found.append(row)
            if not row.reaches_goal:
                missed.append(f"{row.work.name}, {row.work.sources}: {row.server}: {row}")
        if found:
            yield from ["", *_table(setup.title, found)]


def _works(setup: Setup) -> Iterator[Work]:
    for attack in setup.attacks:
        for sources in (1, _MANY_SOURCES):
            if sources == 1 or attack.attackers > 1:
                yield Work(attack, sources, attack.name)
    if setup.crowd.count and len(setup.attacks) > 1:
        yield Work(None, 1, f"{setup.crowd.count} members are lost at once")


def _attack_server(
    setup: Setup, name: str, server: Server, works: Sequence[Work], seconds: float
) -> Iterator[Row]:
    """Make the attacks, one after the other; after one that failed the server is started anew."""
    left = deque(works)
    deadline = time.monotonic() + _SERVER_S
    while left and time.monotonic() < deadline:
        is_ready = False
        try:
            with _populate(setup, server) as scene:
                is_ready = True
                while left:
                    latencies = scene.measure(left[0], seconds) if _applies(left[0], name) else None
                    yield Row(left.popleft(), name, latencies)
                    if latencies and not setup.settle(scene.port):
                        break
        except (AssertionError, OSError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            if not is_ready:
                break
            yield Row(left.popleft(), name, None, str(error))
    yield from (Row(work, name, None, "not measured") for work in left)


def _applies(work: Work, server: str) -> bool:
    return work.attack is None or work.attack.is_for_all or server.startswith("netd")


@dataclass(frozen=True, slots=True)
class _Scene:
    """A server that runs, with its crowd and its innocent clients."""

    setup: Setup
    port: int
    within_s: float
    crowd: Helper
    victims: Victims

    def measure(self, work: Work, seconds: float) -> Latencies:
        """Measure the innocent clients under an attack."""
        if work.attack is None:
            threading.Timer(_LEAVE_AFTER_S, self.crowd.end).start()
            return self.victims.measure(seconds)
        target = Target(self.port, self.within_s)
        with attacking(work.attack, target, work.sources, seconds):
            return self.victims.measure(seconds)


@contextlib.contextmanager
def _populate(setup: Setup, server: Server) -> Iterator[_Scene]:
    group, within_s = setup.crowd, server.within_s
    with (
        server.serve() as port,
        crowd(Target(port, within_s), group.count, group.greet, group.greeted) as members,
        contextlib.closing(Victims(port, setup.victims, within_s)) as victims,
    ):
        yield _Scene(setup, port, within_s, members, victims)


def _table(title: str, found: Sequence[Row]) -> Iterator[str]:
    """A row for each attack and number of sources, with a column for each server."""
    servers = list(dict.fromkeys(row.server for row in found))
    cells = {(row.work, row.server): str(row) for row in found}
    yield f"| {title}: p50 / p99 / max, ms | sources | {' | '.join(servers)} |"
    yield f"|---|{'--:|' * (len(servers) + 1)}"
    for work in dict.fromkeys(row.work for row in found):
        figures = [cells.get((work, server), "-") for server in servers]
        yield f"| {work.name} | {work.sources} | {' | '.join(figures)} |"
