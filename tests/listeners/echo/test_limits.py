"""Limits: of descriptors, processes, the pool, and time."""

from __future__ import annotations

import dataclasses
import errno
import os
import resource
import signal
import socket
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

import pytest

from netd.listeners.echo import KIND, pool, slot, timeouts
from netd.listeners.echo.options import EchoOptions
from netd.listeners.kind import Daemon, Kind, ListeningSocket, Service
from netd.runtime.loop import Loop
from tests.conftest import StartDaemon, StartWorker
from tests.listeners.echo.slots import await_slots, await_turn, slots
from tests.support import WorkerUnderTest, read_all, read_exactly, stop_process, wait_until

TCP = "tcp://127.0.0.1:0"
NOBODY = 65534

both = pytest.mark.parametrize("concurrency", ["fork", "thread"])


def beginning_with(prepare: Callable[[], object]) -> Kind[EchoOptions]:
    """The echo kind, whose worker calls `prepare` before it starts the service."""

    def start(
        loop: Loop, options: EchoOptions, sockets: Sequence[ListeningSocket], daemon: Daemon
    ) -> Service[EchoOptions]:
        prepare()
        return KIND.load_service()(loop, options, sockets, daemon)

    return dataclasses.replace(KIND, load_service=lambda: start)


def echoes(client: socket.socket) -> bool:
    client.sendall(b"?")
    return read_exactly(client, 1) == b"?"


def crashes(worker: WorkerUnderTest) -> int:
    """Drain the worker, and return how many slots crashed."""
    worker.drain()
    assert worker.await_exit().status == 0
    return worker.counters["crashed"]


def failures(worker: WorkerUnderTest, counter: str) -> int:
    """Return a counter of failures from the first heartbeat in which it is not 0."""
    return worker.await_counters(lambda counters: counters[counter] > 0)[counter]


def limit_descriptors(pids: list[int], most: int) -> None:
    for pid in pids:
        _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, hard))


@both
def test_without_descriptors_connections_wait(start_worker: StartWorker, concurrency: str) -> None:
    options = {"concurrency": concurrency, "spare": 1, "max_connections": 1}
    worker = start_worker(KIND, options, [TCP])
    with worker.connect() as client:
        assert echoes(client)
    worker.await_counters(lambda counters: counters["accepted"] > counters["connections"])
    starved = slots(worker) if concurrency == "fork" else [worker.process.pid]
    limit_descriptors(starved, 3)
    with worker.connect() as client:
        client.sendall(b"?")
        assert 0 < failures(worker, "accept_failures") < 1000, "it retries without a pause"
        worker.await_degraded("cannot accept")
        limit_descriptors(starved, 64)
        assert read_exactly(client, 1) == b"?"
    worker.await_degraded("")
    assert crashes(worker) == 0


@both
def test_without_descriptors_a_full_pool_continues(
    start_worker: StartWorker, concurrency: str
) -> None:
    options = {"concurrency": concurrency, "spare": 1, "max_connections": 1}
    worker = start_worker(KIND, options, [TCP])
    with worker.connect() as served:
        assert echoes(served)
        await_turn(worker)  # a slot can serve before the turn that started it is over
        limit_descriptors([worker.process.pid], 3)
        with worker.connect() as waiting:
            assert 0 < failures(worker, "accept_failures") < 1000, "it retries without a pause"
            assert echoes(served)
            limit_descriptors([worker.process.pid], 64)
            assert read_all(waiting) == b""


@both
def test_without_descriptors_large_pieces_are_copied(
    start_worker: StartWorker, concurrency: str
) -> None:
    worker = start_worker(KIND, {"concurrency": concurrency, "spare": 1}, [TCP])
    [slot] = await_slots(worker, 1)
    with worker.connect() as client:
        assert echoes(client)
        limit_descriptors([slot if concurrency == "fork" else worker.process.pid], 3)
        assert is_echoed(client, os.urandom(3_000_000))


@pytest.mark.parametrize("refusal", [errno.EINVAL, errno.ENOSYS, errno.EPERM])
@pytest.mark.parametrize("allowed", [0, 1], ids=["into the pipe", "out of the pipe"])
def test_bytes_are_copied_if_splice_is_refused(
    start_worker: StartWorker, refusal: int, allowed: int
) -> None:
    def refuse() -> None:
        real, calls = os.splice, iter(range(allowed))

        def splice(source: int, target: int, count: int) -> int:
            if next(calls, None) is None:
                raise OSError(refusal, os.strerror(refusal))
            return real(source, target, count)

        os.splice = splice  # type: ignore[assignment]  # as the system call fails

    worker = start_worker(beginning_with(refuse), {"spare": 1}, [TCP])
    for _ in range(2):
        with worker.connect() as client:
            assert is_echoed(client, os.urandom(3_000_000))
    assert crashes(worker) == 0


def is_echoed(client: socket.socket, data: bytes) -> bool:
    """Send data and read it back at the same time."""
    sender = threading.Thread(target=client.sendall, args=(data,))
    sender.start()
    reply = read_exactly(client, len(data))
    sender.join()
    return reply == data


def limit_processes_by_signal() -> None:
    """Let SIGUSR1 forbid the worker to start a process or thread, or allow it again."""
    if os.getuid() == 0:  # the limit does not apply to root
        os.setresuid(NOBODY, NOBODY, NOBODY)

    def change(_number: int, _frame: FrameType | None) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
        resource.setrlimit(resource.RLIMIT_NPROC, (0 if soft == hard else hard, hard))

    _, most = resource.getrlimit(resource.RLIMIT_NPROC)
    resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
    signal.signal(signal.SIGUSR1, change)


def may_start(worker: WorkerUnderTest) -> bool:
    limits = Path(f"/proc/{worker.process.pid}/limits").read_text()
    [processes] = [line for line in limits.splitlines() if line.startswith("Max processes")]
    return processes.split()[2] != "0"


@both
def test_without_processes_connections_wait(start_worker: StartWorker, concurrency: str) -> None:
    worker = start_worker(
        beginning_with(limit_processes_by_signal), {"concurrency": concurrency, "spare": 1}, [TCP]
    )
    await_slots(worker, 1)
    worker.process.kill(signal.SIGUSR1)
    wait_until(lambda: not may_start(worker), "the limit")
    the_second_waits(worker, lambda: worker.process.kill(signal.SIGUSR1))


def test_without_descriptors_no_process_starts(start_worker: StartWorker) -> None:
    worker = start_worker(KIND, {"spare": 1}, [TCP])
    await_slots(worker, 1)
    limit_descriptors([worker.process.pid], 3)
    the_second_waits(worker, lambda: limit_descriptors([worker.process.pid], 64))


@pytest.mark.parametrize("free", [1, 2, 3])
def test_without_descriptors_no_thread_starts(start_worker: StartWorker, free: int) -> None:
    worker = start_worker(KIND, {"concurrency": "thread", "spare": 1}, [TCP])
    await_slots(worker, 1)
    used = {int(name) for name in os.listdir(f"/proc/{worker.process.pid}/fd")}
    unused = [fd for fd in range(len(used) + free) if fd not in used]
    limit_descriptors([worker.process.pid], unused[free - 1] + 1)  # one for accept(2)
    the_second_waits(worker, lambda: limit_descriptors([worker.process.pid], 64))


def the_second_waits(worker: WorkerUnderTest, make_room: Callable[[], object]) -> None:
    """Check that a second connection waits until another slot can be started."""
    with worker.connect() as first:
        assert echoes(first)
        with worker.connect() as second:
            second.sendall(b"?")
            assert 0 < failures(worker, "failed_starts") < 100, "it retries without a pause"
            worker.await_degraded("no room for more echo")
            assert echoes(first)
            make_room()
            assert read_exactly(second, 1) == b"?"
            worker.await_degraded("")


def test_many_killed_processes_are_replaced(start_worker: StartWorker) -> None:
    worker = start_worker(KIND, {"spare": 8}, [TCP])
    killed = await_slots(worker, 8)
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(set(slots(worker)) - set(killed)) == 8, "the new processes")
    with worker.connect() as client:
        assert echoes(client)
    assert crashes(worker) == 8


def tick_fast() -> None:
    pool.TICK_S = 0.02  # only in the worker's process


def test_stopped_idle_processes_are_replaced(start_worker: StartWorker) -> None:
    worker = start_worker(beginning_with(tick_fast), {"spare": 3}, [TCP])
    stopped = await_slots(worker, 3)
    for pid in stopped:
        stop_process(pid)
    with worker.connect() as client:
        assert echoes(client)
        wait_until(lambda: not set(slots(worker)) & set(stopped), "the stopped processes' end")
        worker.await_counters(lambda counters: counters["hung"] >= 3)
    assert crashes(worker) == 0


def test_a_stopped_process_ends_after_the_time_limit(start_worker: StartWorker) -> None:
    def end_fast() -> None:
        timeouts.MAX_CLOSING_S = 0.1

    worker = start_worker(beginning_with(end_fast), {"spare": 1, "idle_timeout": 2.0}, [TCP])
    [stopped] = await_slots(worker, 1)
    with worker.connect() as client:
        assert echoes(client)
        stop_process(stopped)
        assert read_all(client) == b""
    worker.await_counters(lambda counters: counters["hung"] == 1)


def test_a_stopped_process_does_not_delay_the_end(start_worker: StartWorker) -> None:
    def retire_fast() -> None:
        pool.MAX_LEAVING_S = 0.1

    worker = start_worker(beginning_with(retire_fast), {"spare": 2}, [TCP])
    for pid in await_slots(worker, 2):
        stop_process(pid)
    assert crashes(worker) == 0
    assert worker.counters["hung"] == 2


def test_processes_that_keep_crashing_make_it_degraded(start_worker: StartWorker) -> None:
    def crash() -> None:
        slot.Slot.run = lambda self: os._exit(3)  # type: ignore[method-assign]  # noqa: ARG005

    worker = start_worker(beginning_with(crash), {"spare": 1}, [TCP])
    worker.await_degraded("echo processes keep failing: exit status 3")


@both
def test_an_idle_pool_shrinks(start_worker: StartWorker, concurrency: str) -> None:
    worker = start_worker(
        beginning_with(tick_fast), {"concurrency": concurrency, "spare": 2}, [TCP]
    )
    clients = [worker.connect() for _ in range(12)]
    assert all(echoes(client) for client in clients)
    assert len(slots(worker)) >= 12
    for client in clients:
        client.close()
    wait_until(lambda: len(slots(worker)) == 2, "the pool to shrink")
    with worker.connect() as client:
        assert echoes(client)
    assert crashes(worker) == 0


def test_a_process_ends_after_connections_per_slot(start_worker: StartWorker) -> None:
    options = {"spare": 1, "connections_per_slot": 2, "tag": True}
    worker = start_worker(KIND, options, [TCP])
    served: Counter[bytes] = Counter()
    for _ in range(6):
        with worker.connect() as client:
            client.sendall(b"x")
            client.shutdown(socket.SHUT_WR)
            served[read_all(client)] += 1
    assert max(served.values()) <= 2
    assert crashes(worker) == 0


@both
def test_an_endless_flood_ends_at_the_deadline(start_worker: StartWorker, concurrency: str) -> None:
    worker = start_worker(KIND, {"concurrency": concurrency, "spare": 1}, [TCP])
    with worker.connect() as client:
        assert echoes(client)
        flood = threading.Thread(target=echo_until_closed, args=(client,))
        flood.start()
        worker.drain(0.2, stopping=True)
        assert worker.await_exit().status == 0
        flood.join()
    assert worker.counters["bytes_out"] > 0


def echo_until_closed(client: socket.socket) -> None:
    piece = bytes(65536)
    try:
        while True:
            client.sendall(piece)
            if len(read_exactly(client, len(piece))) < len(piece):
                return
    except ConnectionError:
        return


@both
def test_endless_connections_are_refused_after_the_deadline(
    start_worker: StartWorker, concurrency: str
) -> None:
    worker = start_worker(KIND, {"concurrency": concurrency, "spare": 1}, [TCP])
    stop = threading.Event()
    threads = [threading.Thread(target=connect_until, args=(worker, stop)) for _ in range(3)]
    for thread in threads:
        thread.start()
    worker.drain(0.2, stopping=True)
    assert worker.await_exit().status == 0
    stop.set()
    for thread in threads:
        thread.join()


def connect_until(worker: WorkerUnderTest, stop: threading.Event) -> None:
    while not stop.is_set():
        with socket.socket() as client:
            client.settimeout(
                0.1
            )  # the test's copy of the socket stays open, and its backlog fills
            client.connect_ex(worker.sockets[0][1].getsockname())


def test_the_daemon_raises_its_limit_of_descriptors(start_daemon: StartDaemon) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, hard), hard))
    try:
        daemon = start_daemon('[listeners.echo]\nkind = "echo"\naddress = "tcp://127.0.0.1:0"\n')
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    [worker] = daemon.pids("echo")
    assert resource.prlimit(worker, resource.RLIMIT_NOFILE) == (hard, hard)
