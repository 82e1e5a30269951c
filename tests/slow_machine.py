"""A pytest plugin that plays a slow machine: tests that assume a fast one fail with it.

The loops in the process of the tests, and in the workers that it forks, see a clock that jumps
ahead now and then, so that any turn may take long, and TCP sockets that are ready later than
expected. With `--stops` a process of its own stops one process under test after the other for a
moment. A test that measures a delay of a worker with the system's clock fails too, as the clock of
the worker is ahead of it.

Run `python -m pytest -p tests.slow_machine [--stops] [--chance=N] -n 0 tests/listeners`. Another
number plays a machine that is slow at other moments. `--late=0.9` finds the tests that turn a loop
only some times until data have arrived.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from netd.runtime.loop import Loop
from netd.runtime.poller import POLLERS, ReadyList

_JUMP_CHANCE = 0.2
_MAX_JUMP_S = 0.03
_SLOWNESS = 10  # how often longer than it is the time can seem
_MEAN_STOP_S = 0.1
_MAX_STOP_S = 1.0

_chance = random.Random(0)
_start = time.monotonic()
_ahead_s = 0.0


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--stops", action="store_true", help="stop processes under test at random")
    parser.addoption("--chance", default="0", help="a number that chooses the slow moments")
    parser.addoption("--late", type=float, default=0.3, help="how often a socket is ready late")


def pytest_configure(config: pytest.Config) -> None:
    Loop.__init__.__defaults__ = (_jumping_clock,)
    for poller in POLLERS.values():
        _delay_readiness(poller, config.getoption("--late"))
    if config.getoption("--stops"):
        _begin_stops(config)


def _begin_stops(config: pytest.Config) -> None:
    lock = tempfile.NamedTemporaryFile()  # noqa: SIM115 (closed at the end of the tests)
    config.add_cleanup(lock.close)
    os.kill = functools.partial(_kill_exclusively, lock.name, os.kill)
    command = [sys.executable, "-m", "tests.slow_machine", str(os.getpid()), lock.name]
    process = subprocess.Popen(command, process_group=0)
    config.add_cleanup(lambda: _end(process))


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _kill_exclusively(lock: str, kill: Callable[[int, int], None], pid: int, signum: int) -> None:
    """Stop a process as os.kill does, but not one that is stopped and would soon continue."""
    if signum == signal.SIGSTOP:
        with _locked(lock):
            kill(pid, signum)
    else:
        kill(pid, signum)


@contextlib.contextmanager
def _locked(path: str) -> Iterator[None]:
    with Path(path).open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let a test that failed fail again when it runs alone."""
    _chance.seed(f"{item.config.getoption('--chance')} {item.nodeid}")


def _jumping_clock() -> float:
    global _ahead_s  # noqa: PLW0603
    now = time.monotonic()
    if _chance.random() < _JUMP_CHANCE and _ahead_s < (now - _start) * _SLOWNESS:
        _ahead_s += _chance.uniform(0, _MAX_JUMP_S)
    return now + _ahead_s


def _delay_readiness(poller: type, chance: float) -> None:
    poll = poller.poll  # type: ignore[attr-defined]

    def poll_late(self: object, timeout_s: float) -> ReadyList:
        ready: ReadyList = poll(self, timeout_s)
        return [entry for entry in ready if not _is_late(entry[0], chance)]

    poller.poll = poll_late  # type: ignore[attr-defined]


def _is_late(fd: int, chance: float) -> bool:
    """Whether the system takes its time; a socket pair is ready as soon as its peer has sent."""
    if _chance.random() >= chance:
        return False
    with contextlib.suppress(OSError):
        sock = socket.socket(fileno=fd)
        is_inet = sock.family in (socket.AF_INET, socket.AF_INET6)
        sock.detach()  # the descriptor stays open
        return is_inet
    return False  # not a socket


def _descendants(pid: int) -> Iterator[int]:
    yield pid
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                if int(child) != os.getpid():
                    yield from _descendants(int(child))


def _is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "Tt"


def _stop_processes(root: int, lock: str) -> None:
    """Stop a process after the other, until the tests have ended."""
    while os.getppid() == root:
        pid = random.choice(list(_descendants(root)))
        with contextlib.suppress(OSError), _locked(lock):
            if not _is_stopped(pid):
                os.kill(pid, signal.SIGSTOP)
                time.sleep(min(random.expovariate(1 / _MEAN_STOP_S), _MAX_STOP_S))
                os.kill(pid, signal.SIGCONT)
        time.sleep(random.uniform(0, _MEAN_STOP_S))


if __name__ == "__main__":
    _stop_processes(int(sys.argv[1]), sys.argv[2])
