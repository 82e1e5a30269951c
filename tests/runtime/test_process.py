from __future__ import annotations

import errno
import gc
import json
import os
import resource
import select
import signal
import sys
from pathlib import Path

import pytest

from netd.runtime import process
from tests.support import PATIENCE_S


def wait(child: process.Process) -> process.Exit:
    assert select.select([child.pidfd], [], [], PATIENCE_S)[0]
    ended = child.reap()
    assert ended is not None
    return ended


def test_a_child_returns_its_status() -> None:
    assert str(wait(process.spawn(lambda: 7))) == "exit status 7"
    assert wait(process.spawn(lambda: None)).status == 0
    assert wait(process.spawn(lambda: sys.exit(3))).status == 3


def test_a_child_that_raises_exits_with_ex_software() -> None:
    def fail() -> None:
        raise ValueError("on purpose")

    assert wait(process.spawn(fail)).status == os.EX_SOFTWARE


def test_a_killed_child_is_reported_with_its_signal() -> None:
    child = process.spawn(signal.pause)
    child.kill(signal.SIGKILL)
    ended = wait(child)
    assert (str(ended), ended.by_signal) == ("killed by SIGKILL", True)


def test_a_signal_without_a_name_is_reported_by_number() -> None:
    child = process.spawn(signal.pause)
    os.kill(child.pid, signal.SIGRTMIN + 6)
    assert str(wait(child)) == f"killed by signal {signal.SIGRTMIN + 6}"


def test_reap_is_none_while_the_child_lives() -> None:
    child = process.spawn(signal.pause)
    assert child.reap() is None
    child.kill(signal.SIGKILL)
    wait(child)


def test_a_child_keeps_only_the_descriptors_it_was_given() -> None:
    reader, writer = os.pipe()
    kept, other = os.open("/dev/null", os.O_RDONLY), os.open("/dev/null", os.O_RDONLY)

    def report() -> None:
        held = sorted(int(name) for name in os.listdir("/proc/self/fd"))
        os.write(writer, json.dumps(held).encode())

    child = process.spawn(report, keep=[kept, writer])
    wait(child)
    held = eval(os.read(reader, 1000))
    assert set(held) >= {0, 1, 2, kept, writer}
    assert not {other, reader} & set(held) - {max(held)}
    for fd in (reader, writer, kept, other):
        os.close(fd)


def test_a_child_has_default_signals_and_ignores_the_terminals() -> None:
    previous = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        child = process.spawn(signal.pause)
        for signum in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM):
            child.kill(signum)
        assert str(wait(child)) == "killed by SIGTERM"
    finally:
        signal.signal(signal.SIGTERM, previous)


def test_no_child_outlives_its_parent() -> None:
    reader, writer = os.pipe()

    def parent() -> None:
        grandchild = process.spawn(signal.pause, keep=[writer])
        os.write(writer, b"%d\n" % grandchild.pid)
        os.close(writer)
        signal.pause()

    child = process.spawn(parent, keep=[writer])
    os.close(writer)
    assert int(os.read(reader, 100)) > 0
    child.kill(signal.SIGKILL)
    wait(child)
    assert select.select([reader], [], [], PATIENCE_S)[0]
    assert os.read(reader, 1) == b"", "the grandchild, last holder of the pipe, is gone"
    os.close(reader)


def test_a_process_can_set_its_name() -> None:
    reader, writer = os.pipe()

    def show() -> None:
        process.set_name("netd: a-listener-with-a-long-name")
        with open("/proc/self/comm", "rb") as comm:
            os.write(writer, comm.read())

    wait(process.spawn(show, keep=[writer]))
    assert os.read(reader, 100) == b"netd: a-listene\n"
    os.close(reader)
    os.close(writer)


def test_without_descriptors_no_child_is_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("it forked"))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            process.spawn(signal.pause)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_a_child_without_a_pidfd_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    def open_own_pidfd(pid: int) -> int:
        if pid != os.getpid():
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
        return pidfd_open(pid)

    pidfd_open = os.pidfd_open
    monkeypatch.setattr(os, "pidfd_open", open_own_pidfd)
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    before = children.read_text()
    with pytest.raises(OSError, match="Cannot allocate memory"):
        process.spawn(signal.pause)
    assert children.read_text() == before


def test_a_child_is_ended_before_its_parent_if_memory_runs_out() -> None:
    def score() -> int:
        return int(Path("/proc/self/oom_score_adj").read_text())

    expected = min(score() + 250, 1000)
    assert wait(process.spawn(lambda: int(score() != expected))).status == 0


def test_a_child_closes_no_descriptor_for_an_object_of_its_parent() -> None:
    ring: list[object] = [select.epoll()]
    fd = ring[0].fileno()  # type: ignore[attr-defined]
    ring.append(ring)

    def collect() -> None:
        os.dup2(0, fd)  # the number is used again
        gc.collect()
        os.fstat(fd)

    gc.disable()
    try:
        del ring
        child = process.spawn(collect)
    finally:
        gc.enable()
        gc.collect()
    assert wait(child).status == 0
