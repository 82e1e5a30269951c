"""Measures servers at the same work, turn by turn, so that only ratios of one run are told.

A benchmark module has `works()`, which gives the Works it is made of. Every server of a work
is up during all of its rounds; in each round each is loaded once, one after the other, and the
order turns from round to round.
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
    """Something to load: `serve()` brings it up and gives what a Work's `load` needs to know."""

    name: str
    serve: Callable[[], AbstractContextManager[Any]]
    needs: str = ""  # a program without which it is left out
    is_limit: bool = False  # does next to nothing, to show what the load generator can do


@dataclass(frozen=True, slots=True)
class Goal:
    """`ours` is to reach `ratio` times the best of `peers`, by medians."""

    ours: str
    peers: tuple[str, ...]
    ratio: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What one load of a server gave, and what else was seen on the way, by name and unit."""

    figure: float
    also: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Work:
    """What the servers are loaded with."""

    name: str
    unit: str
    load: Callable[[Any, float], float | Reading]
    """`load(what serve gave, seconds)` gives the figure reached; the higher the better."""
    servers: tuple[Server, ...]
    goals: tuple[Goal, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """Each server's figures, one for each round."""

    work: Work
    samples: dict[str, list[float]] = field(default_factory=dict)
    also: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    """By server and name; each round's, as in `samples`."""

    def median(self, name: str) -> float:
        """A server's figure; 0 where it did not take part."""
        return statistics.median(self.samples.get(name) or [0.0])

    def add(self, server: str, reading: float | Reading) -> None:
        """Take in one round."""
        if isinstance(reading, Reading):
            for name, value in reading.also.items():
                self.also.setdefault(server, {}).setdefault(name, []).append(value)
            reading = reading.figure
        self.samples[server].append(reading)

    def best(self, names: Sequence[str]) -> str:
        """The one of these with the highest median."""
        return max(names, key=self.median)

    def ratio(self, goal: Goal) -> float | None:
        """How far ours came; None where no peer, or not ours, took part."""
        best = self.median(self.best(goal.peers))
        return self.median(goal.ours) / best if best and goal.ours in self.samples else None


def measure(work: Work, rounds: int, seconds: float) -> Result:
    """Load every server of a work that this machine has."""
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
    """What the figures were measured on, in a line."""
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
