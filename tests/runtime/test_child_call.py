from __future__ import annotations

import errno
import io
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from netd.runtime.child_call import ChildCall
from netd.runtime.loop import Loop
from netd.runtime.poller import EpollPoller
from tests.support import PATIENCE_S, FullPoller, call_in_child


def test_work_runs_in_a_child_and_its_result_comes_back() -> None:
    large = call_in_child(lambda: os.getpid().to_bytes(4, "big") * 100_000)
    assert len(large) == 400_000
    assert large[:4] != os.getpid().to_bytes(4, "big")


def test_the_loop_goes_on_meanwhile() -> None:
    loop = Loop(EpollPoller())
    before, children = len(os.listdir("/proc/self/fd")), own_children()
    outcomes: list[bytes | OSError] = []
    call = ChildCall(loop, sleep, outcomes.append, timeout_s=PATIENCE_S, max_memory_bytes=2**32)
    ticks: list[int] = []
    loop.call_every(0.001, lambda: ticks.append(1))
    while len(ticks) < 3:
        loop.turn()
    call.abandon()
    loop.turn()
    assert not outcomes
    assert (len(os.listdir("/proc/self/fd")), own_children()) == (before, children)
    loop.close()


def sleep() -> bytes:
    signal.pause()
    return b""


def test_work_that_fails_or_takes_too_long_is_reported() -> None:
    def fail() -> bytes:
        raise ValueError("on purpose")

    def fail_to_open() -> bytes:
        return Path("/nonexistent").read_bytes()

    with pytest.raises(ChildProcessError, match="exit status 70: ValueError, see the log"):
        call_in_child(fail)
    with pytest.raises(ChildProcessError, match="exit status 70: no such file"):
        call_in_child(fail_to_open)
    with pytest.raises(TimeoutError, match=r"no answer within 0\.1 s"):
        call_in_child(sleep, 0.1)


def test_work_is_bounded_in_processor_time_so_that_a_busy_machine_does_not_end_it() -> None:
    with pytest.raises(TimeoutError, match="no answer within 1 s of processor time"):
        call_in_child(compute, max_cpu_s=1)


def compute() -> bytes:
    while True:
        pass


def test_work_is_bounded_in_memory() -> None:
    with pytest.raises(ChildProcessError, match="exit status 70: it needs more memory"):
        call_in_child(lambda: bytes(2**33)[:1])


def test_a_child_that_cannot_be_watched_is_ended_and_leaves_no_descriptor() -> None:
    poller = FullPoller()
    loop = Loop(poller)
    before, children = len(os.listdir("/proc/self/fd")), own_children()
    for room in (0, 1):
        poller.room = room
        with pytest.raises(OSError, match="No space left"):
            ChildCall(loop, sleep, print, timeout_s=PATIENCE_S, max_memory_bytes=2**32)
    assert len(os.listdir("/proc/self/fd")) == before
    assert own_children() <= children
    loop.close()


def own_children() -> set[str]:
    """The child processes of this one, those of other tests included."""
    return set(Path("/proc/thread-self/children").read_text().split())


def test_an_error_of_the_pipe_is_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(io.FileIO):
        def read(self, _size: int | None = -1) -> bytes:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def open_failing(fd: int, mode: str, buffering: int = -1) -> Any:
        return Failing(fd, mode) if mode == "rb" else open(fd, mode, buffering)

    monkeypatch.setattr("netd.runtime.child_call.open", open_failing, raising=False)
    with pytest.raises(OSError, match="Input/output error"):
        call_in_child(lambda: b"lost")
