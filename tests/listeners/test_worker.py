"""A worker of any kind, before and after its first configuration."""

from __future__ import annotations

import contextlib
import os
import resource
import signal

import pytest

from netd.listeners import chat, echo, http
from netd.listeners.kind import AnyKind
from netd.protocols.link import Failed, Heartbeat
from tests.support import WorkerUnderTest

LOOPBACK = ["tcp://127.0.0.1:0"]
KINDS = (echo.KIND, chat.KIND, http.KIND)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_worker_without_a_configuration_drains(kind: AnyKind) -> None:
    with contextlib.closing(WorkerUnderTest(kind, None, LOOPBACK)) as worker:
        assert worker.await_message(Heartbeat) == Heartbeat({})
        worker.process.kill(signal.SIGTERM)
        assert worker.await_exit().status == 0


def test_a_worker_survives_a_configuration_that_it_refuses() -> None:
    tls = {"certificate": "/nowhere", "key": "/nowhere"}
    with contextlib.closing(WorkerUnderTest(http.KIND, None, LOOPBACK)) as worker:
        assert isinstance(worker.ask_configure({"tls": tls}), Failed)
        worker.configure({})
        worker.drain()
        assert worker.await_exit().status == 0


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_without_descriptors_a_reload_changes_nothing(kind: AnyKind) -> None:
    with contextlib.closing(WorkerUnderTest(kind, {}, LOOPBACK)) as worker:
        pid = worker.process.pid
        taken = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
        free = next(number for number in range(len(taken) + 1) if number not in taken)
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (free, before[1]))
        answer = worker.ask_configure({})
        assert answer == Failed("no descriptor is left to listen with")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        worker.configure({})
