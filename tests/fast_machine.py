"""A pytest plugin that plays a fast machine: tests that assume a slow one fail with it.

The loops in the process of the tests, and in the workers that it forks, see a clock that advances
at a tenth of the real pace while they work, or at another one (`--pace=0`: not at all), and as ever
while they, or the tests, wait. A test that counts what is done in a slice of time fails.

Run `python -m pytest -p tests.fast_machine [--pace=P] -n 0 tests/listeners`; `tests.slow_machine`
plays the opposite. A test that compares a worker's times with the system's clock fails, too, as the
clock of the worker is behind it.
"""

from __future__ import annotations

import threading
import time

import pytest

from netd.runtime.loop import Loop
from netd.runtime.poller import POLLERS


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
    parser.addoption("--pace", type=float, default=0.1, help="the pace of a working loop's clock")


def pytest_configure(config: pytest.Config) -> None:
    clock = _PacedClock(config.getoption("--pace"))
    Loop.__init__.__defaults__ = (clock.read,)
    _wait_at_real_pace(time, "sleep", clock)
    for poller in POLLERS.values():
        _wait_at_real_pace(poller, "poll", clock)


def _wait_at_real_pace(owner: object, name: str, clock: _PacedClock) -> None:
    wait = getattr(owner, name)

    def wait_timed(*arguments: object) -> object:
        clock.read()
        try:
            return wait(*arguments)
        finally:
            clock.wait()

    setattr(owner, name, wait_timed)
