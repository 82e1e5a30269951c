"""A worker of any kind, before and after its first configuration."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket

import pytest

from netd.listeners import chat, echo, http
from netd.listeners.kind import AnyKind
from netd.protocols.link import Failed, Heartbeat, Ready
from tests.support import PATIENCE_S, WorkerUnderTest, open_sockets, wait_until

LOOPBACK = ["tcp://127.0.0.1:0"]
KINDS = (echo.KIND, chat.KIND, http.KIND)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_worker_without_a_configuration_drains(kind: AnyKind) -> None:
    with contextlib.closing(WorkerUnderTest(kind, None, LOOPBACK)) as worker:
        assert worker.await_message(Heartbeat) == Heartbeat({})
        worker.process.kill(signal.SIGTERM)
        assert worker.await_exit().status == 0


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_worker_that_is_ready_has_reported_its_counters(kind: AnyKind) -> None:
    with contextlib.closing(WorkerUnderTest(kind, {}, LOOPBACK)) as worker:
        assert worker.counters["accepted"] == 0


def test_a_worker_survives_a_configuration_that_it_refuses() -> None:
    tls = {"certificate": "/nowhere", "key": "/nowhere"}
    with contextlib.closing(WorkerUnderTest(http.KIND, None, LOOPBACK)) as worker:
        assert isinstance(worker.ask_configure({"tls": tls}), Failed)
        worker.configure({})
        worker.drain()
        assert worker.await_exit().status == 0


def descriptors_at_rest(worker: WorkerUnderTest) -> set[int]:
    """The descriptors of a worker once it opens no more: echo starts its slots after Ready."""
    found: set[int] = set()
    while True:
        for _ in range(3):
            worker.await_message(Heartbeat)
        earlier, found = (
            found,
            {int(name) for name in os.listdir(f"/proc/{worker.process.pid}/fd")},
        )
        if found == earlier:
            return found


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_without_descriptors_a_reload_changes_nothing(kind: AnyKind) -> None:
    with contextlib.closing(WorkerUnderTest(kind, {}, LOOPBACK)) as worker:
        pid = worker.process.pid
        taken = descriptors_at_rest(worker)
        free = next(number for number in range(len(taken) + 1) if number not in taken)
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (free, before[1]))
        answer = worker.ask_configure({})
        assert answer == Failed("no descriptor is left to listen with")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        worker.configure({})


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_previous_sockets_accept_until_the_supervisor_has_closed_its_copies(
    kind: AnyKind,
) -> None:
    with contextlib.closing(WorkerUnderTest(kind, {}, LOOPBACK)) as worker:
        [(text, old)] = worker.sockets
        worker.sockets = open_sockets([text])
        assert worker.ask_configure({}) == Ready()
        with socket.create_connection(old.getsockname(), PATIENCE_S) as client:
            old_name = old.getsockname()
            old.close()
            wait_until(lambda: worker_has_accepted(worker, 1), "the connection to be accepted")
            worker.configure({})
            wait_until(lambda: refuses(old_name), "the previous socket to be closed")
            client.close()
        with worker.connect():
            pass


def worker_has_accepted(worker: WorkerUnderTest, count: int) -> bool:
    return worker.await_counters(lambda _: True)["accepted"] == count


def refuses(name: tuple[str, int]) -> bool:
    with socket.socket() as client:
        return client.connect_ex(name) != 0
