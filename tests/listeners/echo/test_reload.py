"""Reload and drain: open connections continue, waiting ones are served, deadlines apply."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from netd.listeners.echo import KIND
from tests.conftest import StartWorker
from tests.listeners.echo.slots import await_slots, slots
from tests.support import (
    PATIENCE_S,
    WorkerUnderTest,
    open_sockets,
    read_all,
    read_exactly,
    wait_until,
)

TCP = "tcp://127.0.0.1:0"

both = pytest.mark.parametrize("concurrency", ["fork", "thread"])


def configure(worker: WorkerUnderTest, options: dict[str, Any]) -> None:
    """Reconfigure, and wait until the idle slots with the old options are gone; one is busy."""
    before = set(slots(worker))
    worker.configure(options)
    wait_until(lambda: len(before.intersection(slots(worker))) <= 1, "the idle slots to leave")


@both
def test_new_options_apply_to_new_connections_and_open_ones_continue(
    start_worker: StartWorker, concurrency: str
) -> None:
    worker = start_worker(KIND, {"concurrency": concurrency}, [TCP])
    with worker.connect() as old:
        old.sendall(b"a")
        assert old.recv(1) == b"a"
        for _ in range(3):
            configure(worker, {"concurrency": concurrency, "tag": True})
            with worker.connect() as new:
                new.sendall(b"b")
                assert new.recv(100).endswith(b": b")
            configure(worker, {"concurrency": concurrency})
            with worker.connect() as new:
                new.sendall(b"b")
                assert new.recv(100) == b"b"
        old.sendall(b"c")
        assert old.recv(1) == b"c"


@both
def test_waiting_connections_of_a_removed_address_are_served(
    start_worker: StartWorker, concurrency: str
) -> None:
    worker = start_worker(KIND, {"concurrency": concurrency, "spare": 1}, [TCP, TCP])
    with worker.connect(1) as held:
        held.sendall(b"a")
        assert held.recv(1) == b"a"
        clients = [worker.connect(1) for _ in range(8)]
        dropped = worker.sockets.pop(1)[1]
        worker.configure({"concurrency": concurrency, "spare": 1})
        for client in clients:
            client.sendall(b"b")
            assert client.recv(1) == b"b"
        name = dropped.getsockname()
        dropped.close()
        wait_until(lambda: refuses(name), "the address to be given up")
        held.sendall(b"c")
        assert held.recv(1) == b"c"
        for client in clients:
            client.close()


def refuses(name: tuple[str, int]) -> bool:
    with socket.socket() as client:
        return client.connect_ex(name) != 0


@both
def test_an_address_is_added(start_worker: StartWorker, tmp_path: Path, concurrency: str) -> None:
    worker = start_worker(KIND, {"concurrency": concurrency}, [TCP])
    worker.sockets += open_sockets([f"unix://{tmp_path}/echo", f"unixgram://{tmp_path}/gram"])
    worker.configure({"concurrency": concurrency})
    with worker.connect(1) as client:
        client.sendall(b"a")
        assert client.recv(1) == b"a"
    with worker.connect(2) as client:
        client.bind(f"{tmp_path}/client")
        client.sendall(b"a")
        assert client.recv(1) == b"a"


@both
def test_drain_serves_waiting_and_open_connections(
    start_worker: StartWorker, concurrency: str
) -> None:
    worker = start_worker(KIND, {"concurrency": concurrency, "spare": 1}, [TCP])
    clients = [worker.connect() for _ in range(10)]
    worker.drain(PATIENCE_S)
    for client in clients:
        client.sendall(b"a")
        assert read_exactly(client, 1) == b"a"
        client.close()
    assert worker.await_exit().status == 0
    assert worker.counters["accepted"] == 10


@both
def test_the_deadline_ends_open_connections(start_worker: StartWorker, concurrency: str) -> None:
    worker = start_worker(KIND, {"concurrency": concurrency}, [TCP])
    with worker.connect() as idle, worker.connect() as stuck:
        idle.sendall(b"a")
        assert idle.recv(1) == b"a"
        stuck.settimeout(0.2)
        with pytest.raises(TimeoutError):
            stuck.sendall(bytes(50_000_000))  # the client does not read, so its slot blocks
        worker.drain(0.05, stopping=True)
        assert worker.await_exit().status == 0
        assert read_all(idle) == b""


@both
def test_idle_slots_do_not_delay_the_drain(start_worker: StartWorker, concurrency: str) -> None:
    worker = start_worker(KIND, {"concurrency": concurrency}, [TCP, "udp://127.0.0.1:0"])
    worker.drain(stopping=True)
    assert worker.await_exit().status == 0


@both
def test_nothing_is_leaked_by_connections_and_reloads(
    start_worker: StartWorker, tmp_path: Path, concurrency: str
) -> None:
    worker = start_worker(KIND, {"concurrency": concurrency}, [TCP, f"unix://{tmp_path}/echo"])

    def descriptors() -> int:
        return len(os.listdir(f"/proc/{worker.process.pid}/fd"))

    await_slots(worker, 4)
    before = descriptors()
    for number in range(20):
        for index in range(2):
            with worker.connect(index) as client:
                client.sendall(b"a")
                assert client.recv(100) == b"a"
        worker.configure({"concurrency": concurrency, "idle_timeout": 100 + number})
    wait_until(lambda: descriptors() == before, "the old slots to go")
