"""How long innocent clients wait while strangers attack: netd's chat beside ngircd.

Each attack keeps within the limits that netd has by default, so that no attacker is disconnected.
Thirty attackers, or a hundred for passwords, come from one source address or from thirty. Innocent
members of a channel with many members send PINGs meanwhile, at the rate that flood control permits.
"""

from __future__ import annotations

import contextlib
import resource
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Final

from tests.bench import harness_process
from tests.bench.attacks_load import Attack, attacking, crowd
from tests.bench.attacks_victims import Latencies, Victims

MEMBERS: Final = 800
_ATTACKERS: Final = 30
_GOAL_P99_MS, _GOAL_MAX_MS = 20.0, 50.0
_NETD: Final = """
kind = "chat"
address = "tcp://127.0.0.1:{port}"
max_connections = 5000
ping_after = "1h"
opers = [{{ name = "root", password = "a long password in plain text" }}]
"""
_NGIRCD: Final = """
[Global]
Name = irc.bench.test
Info = bench
Listen = 127.0.0.1
Ports = {port}
[Limits]
MaxConnectionsIP = 0
MaxJoins = 60
PingTimeout = 3600
[Options]
DNS = no
Ident = no
PAM = no
[Operator]
Name = root
Password = a long password in plain text
"""


def _channels(attacker: int) -> list[str]:
    names = [f"#{attacker:02}-{number:02}" for number in range(50)]
    return [f"JOIN {','.join(names[at : at + 17])}" for at in range(0, 50, 17)]


def _none(_attacker: int) -> list[str]:
    return []


def _join(_attacker: int) -> list[str]:
    return ["JOIN #bench"]


def _bans(attacker: int) -> list[str]:
    """Join a channel of one's own, and fill its ban list."""
    masks = [f"{number:03}{'x' * 60}!*@*" for number in range(30)]
    modes = [f"MODE #ban-{attacker} +bbb {' '.join(masks[at : at + 3])}" for at in range(0, 30, 3)]
    return [f"JOIN #ban-{attacker}", *modes]


ATTACKS: Final = (
    Attack("no attack", 1, _none, lambda _attacker, _turn: "PING x"),
    Attack(
        "LIST with 158 conditions",
        _ATTACKERS,
        _channels,
        lambda _attacker, _turn: f"LIST {','.join(['>0'] * 158)}",
    ),
    Attack(
        "LIST with 10 masks",
        _ATTACKERS,
        _channels,
        lambda _attacker, _turn: f"LIST {','.join(['*' + '?*' * 20] * 10)}",
    ),
    Attack(
        "WHO with a mask of 190 characters",
        _ATTACKERS,
        _none,
        lambda _attacker, _turn: f"WHO *{'?*' * 90}x*",
    ),
    Attack("WHO of all members", _ATTACKERS, _none, lambda _attacker, _turn: "WHO *"),
    Attack(
        "JOIN and PART",
        _ATTACKERS,
        _none,
        lambda _attacker, turn: f"{('JOIN', 'PART')[turn % 2]} #bench",
    ),
    Attack(
        "NICK",
        _ATTACKERS,
        _join,
        lambda attacker, turn: f"NICK n{attacker}x{turn}",
    ),
    Attack(
        "MODE of long ban lists",
        _ATTACKERS,
        _bans,
        lambda attacker, _turn: f"MODE #ban-{attacker} +bbbbbbbbbbbbbbbbbbbb",
    ),
    Attack("NAMES of all members", _ATTACKERS, _join, lambda _attacker, _turn: "NAMES #bench"),
    Attack("wrong passwords", 100, _none, lambda _attacker, _turn: "OPER root wrong"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """The latencies of innocent clients of one server under one attack."""

    attack: str
    sources: int
    server: str
    latencies: Latencies

    def __str__(self) -> str:
        figures = self.latencies
        return (
            f"| {self.attack} | {self.sources} | {self.server} | {figures.count} "
            f"| {figures.p50_ms:.1f} | {figures.p99_ms:.1f} | {figures.max_ms:.1f} |"
        )


HEADER: Final = """\
| attack | sources | server | samples | p50, ms | p99, ms | max, ms |
| --- | --- | --- | --- | --- | --- | --- |"""


@contextlib.contextmanager
def _netd(poller: str) -> Iterator[int]:
    port = harness_process.free_port()
    listener = _NETD.format(port=port) + f'poller = "{poller}"\n'
    with harness_process.netd(listener, port):
        yield port


@contextlib.contextmanager
def _ngircd() -> Iterator[int]:
    port = harness_process.free_port()
    with tempfile.NamedTemporaryFile("w") as config:
        config.write(_NGIRCD.format(port=port))
        config.flush()
        with harness_process.program(["ngircd", "-n", "-f", config.name], port):
            yield port


_SERVERS: Final[dict[str, Callable[[], AbstractContextManager[int]]]] = {
    "netd (select)": partial(_netd, "select"),
    "netd (epoll)": partial(_netd, "epoll"),
    "ngircd": _ngircd,
}


def rows(only: str, seconds: float, servers: str = "") -> Iterator[Row]:
    """Attack each server with each attack whose name contains `only`."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    for name, serve in _SERVERS.items():
        if servers not in name:
            continue
        with serve() as port, crowd(port, MEMBERS), contextlib.closing(Victims(port)) as victims:
            for attack in ATTACKS:
                for sources in (1, 30):
                    if only in attack.name and (sources == 1 or attack.attackers > 1):
                        with attacking(attack, port, sources, seconds):
                            latencies = victims.measure(seconds)
                        victims.settle()
                        yield Row(attack.name, sources, name, latencies)


def report(only: str, seconds: float, servers: str) -> bool:
    """Print the table; return whether netd reached the goal in every row."""
    print(HEADER)
    is_reached = True
    for row in rows(only, seconds, servers):
        print(row, flush=True)
        reached = row.latencies.p99_ms <= _GOAL_P99_MS and row.latencies.max_ms <= _GOAL_MAX_MS
        if row.server.startswith("netd") and not reached:
            is_reached = False
            print(f"{row.attack}: goal missed", file=sys.stderr)
    return is_reached
