"""A pytest plugin that plays a fast machine: tests that assume a slow one fail with it.

The loops in the process of the tests, and in the workers that it forks, see a clock that stands
still while they work, or advances at a fraction of the real pace (`--pace=0.1`); it advances as
ever while they wait. A test that counts what is done in a slice of time fails.

Run `python -m pytest -p tests.fast_machine [--pace=P] -n 0 tests/listeners`; `tests.slow_machine`
plays the opposite. A test that compares a worker's times with the system's clock fails, too, as the
clock of the worker is behind it.
"""

from __future__ import annotations

import threading
import time

import pytest

from netd.runtime.loop import Loop
from netd.runtime.poller import POLLERS, ReadyList


class _PacedClock(threading.local):
    """The clock of the loop of one thread."""

    def __init__(self, pace: float) -> None:
        self._pace = pace
        self._read_at = self._now = time.monotonic()

    def read(self) -> float:
        return self._advance(self._pace)

    def wait(self) -> float:
        """Let the time since the last reading pass at the real pace."""
        return self._advance(1.0)

    def _advance(self, pace: float) -> float:
        before, self._read_at = self._read_at, time.monotonic()
        self._now += (self._read_at - before) * pace
        return self._now


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pace", type=float, default=0.0, help="the pace of a working loop's clock")


def pytest_configure(config: pytest.Config) -> None:
    clock = _PacedClock(config.getoption("--pace"))
    Loop.__init__.__defaults__ = (clock.read,)
    for poller in POLLERS.values():
        _wait_at_real_pace(poller, clock)


def _wait_at_real_pace(poller: type, clock: _PacedClock) -> None:
    poll = poller.poll  # type: ignore[attr-defined]

    def poll_timed(self: object, timeout_s: float) -> ReadyList:
        clock.read()
        ready: ReadyList = poll(self, timeout_s)
        clock.wait()
        return ready

    poller.poll = poll_timed  # type: ignore[attr-defined]
