"""What clients notice when a server is restarted, upgraded or reloaded under load.

Every server has the same clients (`tests/handover/`), as far as it speaks their protocol: they
check every byte, and connect again after a loss.
"""

from __future__ import annotations

import signal
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.bench.restart_servers import SERVERS, Server, is_installed, running
from tests.handover.loading import GroupReport, Load
from tests.handover.record import Spec

_MEMBERS: Final = 50
_HELD: Final = 20
_HEADER: Final = (
    *("clients", "server", "event", "refused", "reset", "dropped", "lost or doubled"),
    *("shown", "pause p50", "p99", "max", "the event took"),
)
_COUNTED: Final = (
    *(("refused",), ("reset",), ("dropped",)),
    *(("lost", "doubled", "wrong", "stuck"), ("shown",)),
)


@dataclass(frozen=True, slots=True)
class Row:
    """What one group of clients noticed of one kind of event."""

    group: str
    server: str
    event: str
    report: GroupReport
    pauses: list[float]
    durations: list[float]

    def cells(self) -> list[str]:
        """The cells of the row."""
        counts = [sum(self.report.faults.get(name, 0) for name in names) for names in _COUNTED]
        return [
            f"{self.report.clients} {self.group}",
            *(self.server, self.event),
            *(f"{count:,}" if count else "0" for count in counts),
            *_pauses(self.pauses),
            _seconds(statistics.median(self.durations)),
        ]


def report(only: str, server: str, rounds: int) -> str:
    """Measure the events whose name contains `only`; returns a Markdown table."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that no server is left behind
    rows = []
    for name in SERVERS:
        if server.lower() in name and is_installed(name):
            rows += _measure(name, only, rounds)
    names = list(dict.fromkeys(row.group for row in rows))
    rows.sort(key=lambda row: names.index(row.group))
    lines = [_line(_HEADER), f"|---|---|---|{'--:|' * (len(_HEADER) - 3)}"]
    lines += [_line(row.cells()) for row in rows]
    return "\n".join(lines)


def _measure(name: str, only: str, rounds: int) -> list[Row]:
    """Each event, several times, under each load that the server can serve."""
    with running(name) as server:
        return [
            row
            for event in server.events
            if only in event
            for specs in _loads(server)
            for row in _measure_event(server, event, specs, rounds)
        ]


def _measure_event(server: Server, event: str, specs: list[Spec], rounds: int) -> list[Row]:
    specs = [spec for spec in specs if spec.type.startswith(server.types)]
    if not specs:
        return []
    with Load(specs) as load:
        for _ in range(rounds):
            server.settle()
            load.event(server.events[event])
        reports = load.finish()
    rows = [
        Row(group, server.name, event, found, load.pauses[group], load.durations)
        for group, found in reports.items()
    ]
    for row in rows:
        print(_line(row.cells()), file=sys.stderr, flush=True)
        for detail in row.report.details[:2]:
            print(f"    {detail}", file=sys.stderr)
    return rows


def _loads(server: Server) -> list[list[Spec]]:
    """The clients of HTTP, of echo and of the chat; each list is a load of its own."""
    scenario = server.scenario
    web = scenario.address("web")
    paths = server.paths or {"/hello": "hello", "/small": scenario.content_of("small")}
    middle = {"/middle": scenario.content_of("middle")}
    http = [
        Spec("http kept", web, _HELD, "http kept alive", {"paths": paths, "pace_s": 0.1}),
        Spec("http new", web, 4, "http new connections", {"paths": paths}),
        Spec("http download", web, 2, "http slow downloads", {"paths": middle}),
    ]
    echo = []
    for listener in ("fork", "thread"):
        for scheme in ("tcp", "unix"):
            address = scenario.address(listener, scheme)
            where = f"{listener} {scheme}"
            echo += [
                Spec("echo held", address, _HELD // 4, f"echo held, {where}", {"pace_s": 0.1}),
                Spec("echo new", address, 1, f"echo new, {where}"),
                Spec("echo bulk", address, 1, f"echo bulk, {where}", {"pace_s": 0.02}),
            ]
    lounge = scenario.address("lounge")
    chat = [
        Spec("chat member", lounge, _MEMBERS, "chat members", {"pace_s": 2.0}),
        Spec("chat watcher", lounge, 1, "chat watcher"),
    ]
    return [http, echo, chat]


def _pauses(waits: Sequence[float]) -> list[str]:
    if not waits:
        return ["", "", ""]
    in_order = sorted(waits)
    at_99 = in_order[min(len(in_order) - 1, len(in_order) * 99 // 100)]
    return [_seconds(value) for value in (statistics.median(in_order), at_99, in_order[-1])]


def _seconds(value: float) -> str:
    return f"{value:.1f} s" if value >= 1 else f"{value * 1000:.0f} ms"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
