"""Measures servers at the same work by turns, so that the ratios of one run can be compared.

A benchmark module has a function `works()`. All servers of a work are running during all of its
rounds. A round loads the servers one after the other; the order rotates from round to round.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Server:
    """A program to load; `serve()` starts it and gives the target for the work's `load`."""

    name: str
    serve: Callable[[], AbstractContextManager[Any]]
    needs: str = ""  # the program that must be installed; else the server is left out
    is_limit: bool = False  # a trivial server, which shows how fast the load generator is


@dataclass(frozen=True, slots=True)
class Goal:
    """The server `ours` shall reach `ratio` times the best of `peers`, by medians."""

    ours: str
    peers: tuple[str, ...]
    ratio: float


@dataclass(frozen=True, slots=True)
class Reading:
    """The result of one load: the figure to compare, and details by name and unit."""

    figure: float
    details: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Work:
    """A load, and the servers that get it."""

    name: str
    unit: str
    load: Callable[[Any, float], float | Reading]
    """`load(target, seconds)` returns a figure; higher is better."""
    servers: tuple[Server, ...]
    goals: tuple[Goal, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """The figures of a work's servers, one for each round."""

    work: Work
    samples: dict[str, list[float]] = field(default_factory=dict)
    """By server."""
    details: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    """By server and by the detail's name."""

    def median(self, server: str) -> float:
        """A server's median figure; 0 if it did not take part."""
        return statistics.median(self.samples.get(server) or [0.0])

    def detail(self, server: str, name: str) -> float | None:
        """The median of a detail; None if it was not measured."""
        values = self.details.get(server, {}).get(name)
        return statistics.median(values) if values else None

    def detail_names(self) -> list[str]:
        """The details that were measured of any server."""
        return list(dict.fromkeys(name for details in self.details.values() for name in details))

    def add(self, server: str, reading: float | Reading) -> None:
        """Add the result of one load."""
        if isinstance(reading, Reading):
            for name, value in reading.details.items():
                self.details.setdefault(server, {}).setdefault(name, []).append(value)
            reading = reading.figure
        self.samples[server].append(reading)

    def best(self, servers: Sequence[str]) -> str:
        """The server with the highest median of these."""
        return max(servers, key=self.median)

    def ratio(self, goal: Goal) -> float | None:
        """The ratio that was reached; None if ours or all peers did not take part."""
        best = self.median(self.best(goal.peers))
        return self.median(goal.ours) / best if best and goal.ours in self.samples else None


def measure(work: Work, rounds: int, seconds: float) -> Result:
    """Load the servers of a work that are installed on this machine."""
    with contextlib.ExitStack() as stack:
        targets = [
            (server.name, stack.enter_context(server.serve()))
            for server in work.servers
            if not server.needs or shutil.which(server.needs)
        ]
        result = Result(work, {name: [] for name, _ in targets})
        for _, target in targets:
            work.load(target, seconds / 5)  # pools grow, caches warm
        for turn in range(rounds):
            shift = turn % len(targets)
            for name, target in targets[shift:] + targets[:shift]:
                result.add(name, work.load(target, seconds))
                print(f"{work.name}: {name}: {result.samples[name][-1]:,.0f}", file=sys.stderr)
    return result


def machine() -> str:
    """The machine, its system and the date, on one line."""
    return (
        f"{os.cpu_count()} x {_processor()}, Linux {platform.release()}, "
        f"Python {platform.python_version()}, {time.strftime('%Y-%m-%d')}"
    )


def _processor() -> str:
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
