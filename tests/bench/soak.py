"""Soaks a daemon: mixed traffic, reloads and killed workers, and each minute what the daemon holds.

The worker of one listener in turn is killed every 20 seconds, and every 10 seconds there is a
reload, which changes values of running workers and starts new workers alternately. A client is
untouched unless the worker of its listener was killed while it was connected.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, Final

from netd.protocols.control import ControlCommand
from netd.supervisor.control_client import send_request
from tests.bench import harness_process
from tests.bench.soak_clients import CHANNEL, Clients
from tests.bench.usage import family, memory_kib

_LISTENERS: Final = ("echo", "lounge", "web")
_KILL_EVERY_S: Final = 20.0
_RELOAD_EVERY_S: Final = 10.0
_SAMPLE_EVERY_S: Final = 5.0
_REPLY_S: Final = 30.0
_SHAPES: Final = (("fork", 1), ("thread", 2), ("fork", 2))  # all of them in each minute
_CONFIG: Final = """
[netd]
control = "{directory}/control"

[listeners.echo]
kind = "echo"
address = "tcp://127.0.0.1:{ports[0]}"
concurrency = "{concurrency}"

[listeners.lounge]
kind = "chat"
address = "tcp://127.0.0.1:{ports[1]}"
channel = "{channel}"
motd = "Configuration {turn}."

[listeners.web]
kind = "http"
address = "tcp://127.0.0.1:{ports[2]}"
workers = {workers}
routes = [
  {{ path = "/", text = "Configuration {turn}." }},
  {{ path = "/status", status = true }},
  {{ path = "/metrics", metrics = true }},
]
"""


@dataclass(frozen=True, slots=True)
class Holding:
    """The resources that a daemon holds; sizes in KiB."""

    supervisor_pss: float
    supervisor_rss: float
    pss: float
    rss: float
    descriptors: float
    processes: float
    threads: float


HEADER: Final = """\
| minute | supervisor PSS, KiB | RSS | all PSS | RSS | descriptors | processes | threads \
| exchanges | kills | reloads | lost by a kill | errors |
|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"""


def report(minutes: int) -> Iterator[str]:
    """The lines of a Markdown table, a row after each minute, and then the growth."""
    with _daemon() as daemon, contextlib.closing(Clients(daemon.ports)) as clients:
        disturber = _Disturber(daemon, clients)
        rows: list[Holding] = []
        yield HEADER
        for minute in range(1, minutes + 1):
            rows.append(_held_for_a_minute(daemon, disturber))
            cells = [f"{value:,.0f}" for value in astuple(rows[-1])]
            counts = clients.exchanges, disturber.kills, disturber.reloads, clients.lost
            cells += [f"{count:,}" for count in (*counts, len(clients.errors))]
            yield f"| {minute} | {' | '.join(cells)} |"
        yield from _slopes(rows)
        yield from (f"\nError of an untouched client: {error}" for error in clients.errors[:10])


class _Daemon:
    """A running daemon whose configuration changes from turn to turn."""

    def __init__(self, directory: str) -> None:
        self.ports = {name: harness_process.free_port() for name in _LISTENERS}
        self.control = f"{directory}/control"
        self.config = Path(directory) / "netd.toml"
        self.pid = 0
        self.write(0)

    def write(self, turn: int) -> None:
        """Write the configuration of a turn: even ones differ from the next in live values only."""
        shape = turn // 2 % len(_SHAPES)
        text = _CONFIG.format(
            directory=self.config.parent,
            ports=list(self.ports.values()),
            channel=CHANNEL,
            turn=turn,
            concurrency=_SHAPES[shape][0],
            workers=_SHAPES[shape][1],
        )
        self.config.write_text(text)

    def workers(self, listener: str) -> list[int]:
        """The processes that serve a listener."""
        body: dict[str, Any] = send_request(self.control, ControlCommand.STATUS, _REPLY_S).body
        [entry] = [entry for entry in body["listeners"] if entry["name"] == listener]
        return [worker["pid"] for worker in entry["workers"] if worker["state"] == "serving"]


@contextlib.contextmanager
def _daemon() -> Iterator[_Daemon]:
    with tempfile.TemporaryDirectory() as directory:
        daemon = _Daemon(directory)
        command = [sys.executable, "-m", "netd", "run", "--config", str(daemon.config)]
        with harness_process.program(command, daemon.ports["web"]) as process:
            daemon.pid = process.pid
            yield daemon


class _Disturber:
    """Reloads and kills workers."""

    def __init__(self, daemon: _Daemon, clients: Clients) -> None:
        self._daemon, self._clients = daemon, clients
        self._victims = itertools.cycle(_LISTENERS)
        self._kill_at = time.monotonic() + _KILL_EVERY_S
        self._reload_at = time.monotonic() + _RELOAD_EVERY_S
        self.kills = self.reloads = 0

    def act(self) -> None:
        """Reload or kill a worker, if it is time."""
        now = time.monotonic()
        if now >= self._reload_at:
            self._reload_at += _RELOAD_EVERY_S
            self._reload()
        if now >= self._kill_at:
            self._kill_at += _KILL_EVERY_S
            self._kill(next(self._victims))

    def _reload(self) -> None:
        self.reloads += 1
        self._daemon.write(self.reloads)
        reply = send_request(self._daemon.control, ControlCommand.RELOAD, _REPLY_S)
        if reply.error:
            self._clients.errors.append(f"reload: {reply.error}")

    def _kill(self, listener: str) -> None:
        self.kills += 1
        worker = self._daemon.workers(listener)[0]
        victims = list(family(worker))  # the slots of echo end with their worker
        with self._clients.touching(listener):
            os.kill(worker, signal.SIGKILL)
            deadline = time.monotonic() + _REPLY_S
            while any(Path(f"/proc/{pid}").exists() for pid in victims):
                assert time.monotonic() < deadline, "a process outlives its worker"
                time.sleep(0.01)


def _held_for_a_minute(daemon: _Daemon, disturber: _Disturber) -> Holding:
    """The means of a minute."""
    began, samples = time.monotonic(), []
    for due in range(1, int(60 / _SAMPLE_EVERY_S) + 1):
        while (rest := began + due * _SAMPLE_EVERY_S - time.monotonic()) > 0:
            disturber.act()
            time.sleep(min(rest, 0.1))
        samples.append(_held(daemon.pid))
    return Holding(*map(statistics.fmean, zip(*map(astuple, samples), strict=True)))


def _held(supervisor: int) -> Holding:
    """The resources that the processes hold now; none for a process that has just ended."""
    own = memory_kib(supervisor)
    pss = rss = descriptors = processes = threads = 0
    for pid in family(supervisor):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            sizes = memory_kib(pid)
            if not sizes:
                continue  # it has ended, and its parent has not noticed
            pss, rss = pss + sizes["Pss"], rss + sizes["Rss"]
            descriptors += len(os.listdir(f"/proc/{pid}/fd"))
            threads += len(os.listdir(f"/proc/{pid}/task"))
            processes += 1
    return Holding(own["Pss"], own["Rss"], pss, rss, descriptors, processes, threads)


def _slopes(rows: Sequence[Holding]) -> Iterator[str]:
    """A line with the growth for each minute; the first minute, a warm-up, does not count."""
    settled = rows[1:]
    if len(settled) > 1:
        growths = []
        for field in fields(Holding):
            values = [getattr(row, field.name) for row in settled]
            slope = statistics.linear_regression(range(len(values)), values).slope
            growths.append(f"{field.name.replace('_', ' ')} {slope:+,.1f}")
        yield f"\nGrowth for each minute from the second on: {', '.join(growths)}."
