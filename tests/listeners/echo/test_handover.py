"""Handover: open connections go over to another process, with no byte lost, doubled or changed."""

from __future__ import annotations

import contextlib
import os
import random
import select
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netd.listeners.bundle import read_state
from netd.listeners.echo import KIND, connection_slots, slot_set
from netd.listeners.kind import AnyKind
from tests.conftest import StartWorker
from tests.listeners.echo.slots import await_slots, await_turn, slots
from tests.listeners.echo.streams import (
    Client,
    ping,
    read_fast,
    read_slowly,
    write_fast,
    write_once,
)
from tests.listeners.echo.test_limits import beginning_with
from tests.support import (
    PATIENCE_S,
    WorkerUnderTest,
    read_all,
    read_exactly,
    stop_process,
    wait_until,
)

TCP = "tcp://127.0.0.1:0"
MANY_BYTES = 6_000_000  # more than the buffers of two sockets hold

both = pytest.mark.parametrize("concurrency", ["fork", "thread"])


class Service:
    """An echo listener, whose worker is replaced again and again."""

    def __init__(self, options: dict[str, Any], address: str = TCP, kind: AnyKind = KIND) -> None:
        self.options = options
        self.worker = WorkerUnderTest(kind, options, [address])

    def replace(self, options: dict[str, Any] | None = None, kind: AnyKind | None = None) -> None:
        """Hand over to a new worker, with new options if there are any."""
        old, self.options = self.worker, self.options if options is None else options
        with contextlib.closing(old):
            bundle = old.hand_over()
            self.worker = old.succeed(self.options, bundle, kind=kind)
            old.dismiss()
        self.worker.go()
        bundle.close()

    def pause(self, within_s: float = PATIENCE_S) -> dict[str, Any]:
        """Begin a handover, and abandon it; return the state."""
        bundle = self.worker.hand_over(within_s)
        state = read_state(bundle, KIND.name).state
        self.worker.resume()
        bundle.close()
        return state

    def connect(self) -> socket.socket:
        return self.worker.connect()

    def await_counters(self, **expected: int) -> None:
        self.worker.await_counters(lambda seen: {**seen, **expected} == seen)


@pytest.fixture
def start() -> Iterator[Any]:
    started: list[Service] = []

    def start(options: dict[str, Any], *arguments: Any) -> Service:
        started.append(Service({"spare": 1, **options}, *arguments))
        return started[-1]

    yield start
    for service in started:
        service.worker.close()


def exchange(client: socket.socket, data: bytes = b"?") -> bytes:
    client.sendall(data)
    return read_exactly(client, len(data))


def await_blocked(client: socket.socket, sent: int = 0) -> int:
    """Send until no more is taken, because the client does not read; return the number of bytes.

    `sent` bytes were sent before.
    """
    client.settimeout(1)  # a busy machine may not run the slot for a moment
    with contextlib.suppress(TimeoutError):
        while True:
            sent += client.send(bytes([sent // 1000 % 251]) * (1000 - sent % 1000))
    client.settimeout(PATIENCE_S)
    return sent


@both
@pytest.mark.parametrize("scheme", ["tcp", "unix"])
def test_streams_are_exact_over_many_handovers(
    start: Any, tmp_path: Path, concurrency: str, scheme: str
) -> None:
    service = start(
        {"concurrency": concurrency}, TCP if scheme == "tcp" else f"unix://{tmp_path}/echo"
    )
    clients = [
        Client(service.connect(), ping),
        Client(service.connect(), ping),
        Client(service.connect(), write_fast, read_fast),
        Client(service.connect(), write_fast, read_slowly),
        Client(service.connect(), write_once(MANY_BYTES), read_slowly),
    ]
    for _ in range(int(os.environ.get("NETD_HANDOVERS", "13"))):
        time.sleep(random.uniform(0, 0.05))
        (service.replace if random.random() < 0.5 else service.pause)()
    for client in clients:
        client.finish()
    service.await_counters(lost=0, connections=0)


@both
def test_tagged_pieces_are_whole(start: Any, concurrency: str) -> None:
    service = start({"concurrency": concurrency, "tag": True})
    tags = set()
    with service.connect() as client, client.makefile("rb") as lines:
        for number in range(60):
            client.sendall(b"%d\n" % number)
            if number % 6 == 0:
                service.replace()
            tag, _, rest = lines.readline().partition(b": ")
            tags.add(tag)
            assert rest == b"%d\n" % number
    assert len(tags) > 5 if concurrency == "fork" else all(tag.startswith(b"echo-") for tag in tags)


@both
@pytest.mark.parametrize("tag", [False, True])
def test_bytes_that_the_client_does_not_read_are_kept(
    start: Any, concurrency: str, *, tag: bool
) -> None:
    service = start({"concurrency": concurrency, "tag": tag})
    with service.connect() as client:
        sent, unsent = 0, None
        while unsent is None:  # until the slot is not between two pieces
            sent = await_blocked(client, sent)
            [saved] = service.pause()["connections"]
            unsent = saved["unsent"]
            service.replace()
        client.shutdown(socket.SHUT_WR)
        reply = read_all(client)
    if not tag:
        assert reply == b"".join(
            bytes([start // 1000 % 251]) * min(1000, sent - start) for start in range(0, sent, 1000)
        )
    assert len(reply) >= sent


@both
def test_a_client_that_has_ended_its_half_gets_the_rest_and_the_end(
    start: Any, concurrency: str
) -> None:
    service = start({"concurrency": concurrency})
    with service.connect() as client, service.connect() as silent:
        assert exchange(silent) == b"?"
        silent.sendall(b"last")
        silent.shutdown(socket.SHUT_WR)
        service.pause()
        assert read_all(silent) == b"last"
        data = random.randbytes(MANY_BYTES)
        sender = threading.Thread(target=client.sendall, args=(data,))
        sender.start()
        received = read_exactly(client, 1000)
        service.replace()
        received += read_exactly(client, MANY_BYTES // 2)
        sender.join()
        client.shutdown(socket.SHUT_WR)
        service.replace()
        assert received + read_all(client) == data


@both
def test_the_next_process_counts_open_connections_but_not_as_accepted(
    start: Any, concurrency: str
) -> None:
    service = start({"concurrency": concurrency})
    with service.connect() as first, service.connect() as second:
        assert (exchange(first), exchange(second)) == (b"?", b"?")
        for _ in range(2):
            service.replace()
            service.await_counters(connections=2, accepted=0, bytes_in=0)
        assert (exchange(first), exchange(second)) == (b"?", b"?")
        with service.connect() as third:
            assert exchange(third) == b"?"
            service.await_counters(connections=3, accepted=1)
        service.await_counters(connections=2)
    service.await_counters(connections=0)


@both
def test_nothing_is_left_behind(start: Any, concurrency: str) -> None:
    service = start({"concurrency": concurrency})

    def descriptors() -> int:
        return len(os.listdir(f"/proc/{service.worker.process.pid}/fd"))

    await_slots(service.worker, 1)
    before = descriptors()
    clients = [service.connect() for _ in range(5)]
    for client in clients:
        assert exchange(client) == b"?"
    for _ in range(3):
        service.pause()
        assert all(exchange(client) == b"?" for client in clients)
    service.replace()
    for client in clients:
        assert exchange(client) == b"?"
        client.close()
    wait_until(lambda: descriptors() == before, "the slots of the connections to end")
    assert len(slots(service.worker)) == 1


@both
def test_connections_wait_while_the_worker_is_frozen(start: Any, concurrency: str) -> None:
    service = start({"concurrency": concurrency})
    bundle = service.worker.hand_over()
    clients = [service.connect() for _ in range(3)]
    for client in clients:
        client.sendall(b"?")
    assert not is_echoed_soon(clients[0])
    successor = service.worker.succeed(service.options, bundle)
    assert slots(successor) == []
    service.worker.dismiss()
    service.worker.close()
    service.worker = successor
    assert not is_echoed_soon(clients[0])
    successor.go()
    bundle.close()
    for client in clients:
        assert read_exactly(client, 1) == b"?"
        client.close()


def is_echoed_soon(client: socket.socket) -> bool:
    return bool(select.select([client], [], [], 0.1)[0])


@both
def test_a_worker_that_resumes_accepts_again(start: Any, concurrency: str) -> None:
    service = start({"concurrency": concurrency, "spare": 2})
    with service.connect() as held:
        assert exchange(held) == b"?"
        for _ in range(3):
            bundle = service.worker.hand_over()
            with service.connect() as waiting:
                waiting.sendall(b"?")
                service.worker.resume()
                assert read_exactly(waiting, 1) == b"?"
                assert exchange(held) == b"?"
            bundle.close()
    service.await_counters(accepted=4)


@both
def test_connections_of_earlier_options_keep_them(start: Any, concurrency: str) -> None:
    service = start({"concurrency": concurrency, "tag": True})
    with service.connect() as tagged, contextlib.ExitStack() as opened:
        tagged.sendall(b"a")
        assert tagged.recv(100).endswith(b": a")
        service.worker.configure({**service.options, "tag": False})
        plain = opened.enter_context(service.connect())
        while exchange(plain) != b"?":  # a slot with the earlier options has not left yet
            plain = opened.enter_context(service.connect())
        service.worker.configure({**service.options, "tag": True, "spare": 2})
        for go_on in (service.pause, service.replace):
            go_on()
            tagged.sendall(b"a")
            assert tagged.recv(100).endswith(b": a")
            assert exchange(plain) == b"?"


@pytest.mark.parametrize(("before", "after"), [("fork", "thread"), ("thread", "fork")])
def test_a_connection_goes_from_process_to_thread_and_back(
    start: Any, before: str, after: str
) -> None:
    service = start({"concurrency": before})
    with service.connect() as client:
        sent = await_blocked(client)
        service.replace({"concurrency": after, "spare": 1})
        client.shutdown(socket.SHUT_WR)
        assert len(read_all(client)) == sent


@both
def test_max_connections_drops_no_open_connection(start: Any, concurrency: str) -> None:
    service = start({"concurrency": concurrency})
    clients = [service.connect() for _ in range(4)]
    for client in clients:
        assert exchange(client) == b"?"
    service.replace({"concurrency": concurrency, "max_connections": 2, "spare": 1})
    for client in clients:
        assert exchange(client) == b"?"
    with service.connect() as further:
        assert read_all(further) == b""
    for client in clients:
        client.close()
    wait_until(lambda: len(slots(service.worker)) < 2, "room for another slot")
    await_turn(service.worker)
    with service.connect() as further:
        assert exchange(further) == b"?"


@both
def test_connections_of_one_address_stay_counted(start: Any, concurrency: str) -> None:
    service = start({"concurrency": concurrency, "max_connections_per_address": 2})
    clients = [service.connect() for _ in range(2)]
    for client in clients:
        assert exchange(client) == b"?"
    service.replace()
    assert [exchange(client) for client in clients] == [b"?", b"?"]
    with service.connect() as further:
        assert read_all(further) == b""
    for client in clients:
        client.close()


@both
@pytest.mark.parametrize("timeout", ["idle_timeout", "connection_timeout"])
def test_timeouts_continue(start: Any, concurrency: str, timeout: str) -> None:
    service = start({"concurrency": concurrency, timeout: "1h"})
    with service.connect() as client:
        assert exchange(client) == b"?"
        [before] = service.pause()["connections"]
        service.replace()
        [after] = service.pause()["connections"]
        assert [after["since"], after["moved_at"]] == [before["since"], before["moved_at"]]
        service.replace({"concurrency": concurrency, timeout: "1s"})
        assert read_all(client) == b""
    service.await_counters(timed_out=1)


def test_a_stopped_process_is_killed_and_counted(
    start: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    service = start({"tag": True})
    with service.connect() as stopped, service.connect() as served:
        stopped.sendall(b"a")
        pid = int(stopped.recv(100).partition(b":")[0])
        served.sendall(b"a")
        assert served.recv(100).endswith(b": a")
        stop_process(pid)
        assert len(service.pause(within_s=3.0)["connections"]) == 1
        assert read_all(stopped) == b""
        assert "clients are lost: " in capfd.readouterr().err
        served.sendall(b"b")
        assert served.recv(100).endswith(b": b")
    service.await_counters(lost=1, hung=1)


def test_a_process_that_answers_late_loses_nothing(start: Any) -> None:
    """The supervisor gives up before the worker is prepared."""
    service = start({"tag": True})
    with service.connect() as client:
        client.sendall(b"a")
        pid = int(client.recv(100).partition(b":")[0])
        stop_process(pid)
        service.worker.begin_handover(60.0)
        client.sendall(b"b")
        time.sleep(0.2)
        service.worker.resume()
        time.sleep(0.2)
        os.kill(pid, signal.SIGCONT)
        assert client.recv(100).endswith(b": b")
        client.sendall(b"c")
        assert client.recv(100).endswith(b": c")
    service.await_counters(lost=0, accepted=1)


@both
def test_a_connection_waits_for_a_slot(start: Any, concurrency: str) -> None:
    service = start({"concurrency": concurrency})
    with service.connect() as client:
        assert exchange(client) == b"?"
        service.replace(kind=beginning_with(fail_first_starts))
        assert exchange(client) == b"?"
        service.worker.await_counters(lambda counters: counters["failed_starts"] >= 3)


def fail_first_starts() -> None:
    failures = [OSError(11, "Resource temporarily unavailable")] * 3

    for concurrency, runner in list(slot_set.RUNNERS.items()):

        def start(*arguments: Any, runner: Any = runner) -> Any:
            if failures:
                raise failures.pop()
            return runner(*arguments)

        slot_set.RUNNERS[concurrency] = start  # type: ignore[assignment]


def test_a_connection_is_closed_if_no_slot_starts_for_long(start: Any) -> None:
    def fail() -> None:
        connection_slots.MAX_WAIT_S = 0.3  # type: ignore[misc]  # only in the worker's process

        def start(*_: Any) -> Any:
            raise OSError(11, "Resource temporarily unavailable")

        slot_set.RUNNERS.update(dict.fromkeys(slot_set.RUNNERS, start))  # type: ignore[arg-type]

    service = start({})
    with service.connect() as client:
        assert exchange(client) == b"?"
        service.replace(kind=beginning_with(fail))
        assert read_all(client) == b""
    service.await_counters(lost=1)


@both
def test_a_worker_that_drains_hands_over(start_worker: StartWorker, concurrency: str) -> None:
    worker = start_worker(KIND, {"concurrency": concurrency, "spare": 1}, [TCP])
    with worker.connect() as client:
        assert exchange(client) == b"?"
        worker.drain(60)
        bundle = worker.hand_over()
        successor = worker.succeed({"concurrency": concurrency, "spare": 1}, bundle)
        with contextlib.closing(successor):
            worker.dismiss()
            successor.go()
            bundle.close()
            assert exchange(client) == b"?"


@both
def test_a_worker_that_drains_can_resume(start_worker: StartWorker, concurrency: str) -> None:
    worker = start_worker(KIND, {"concurrency": concurrency, "spare": 1}, [TCP])
    with worker.connect() as client:
        assert exchange(client) == b"?"
        worker.drain(60)
        worker.hand_over().close()
        worker.resume()
        assert exchange(client) == b"?"
    assert worker.await_exit().status == 0


@both
def test_waiting_connections_of_a_removed_address_are_handed_over(
    start_worker: StartWorker, concurrency: str
) -> None:
    options = {"concurrency": concurrency, "spare": 1, "tag": True}
    worker = start_worker(KIND, options, [TCP, TCP])
    await_slots(worker, 1)
    dropped = worker.sockets.pop(1)[1]
    clients = [socket.create_connection(dropped.getsockname(), PATIENCE_S) for _ in range(20)]
    worker.configure(options)
    dropped.close()
    bundle = worker.hand_over()
    with contextlib.closing(worker.succeed(options, bundle)) as successor:
        worker.dismiss()
        successor.go()
        bundle.close()
        for client in clients:
            client.sendall(b"a")
            assert client.recv(100).endswith(b": a")
            client.close()
        successor.await_counters(lambda counters: counters["connections"] == 0)


def test_a_descriptor_that_did_not_arrive_is_a_lost_connection(
    start: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    service = start({})
    with service.connect() as lost:
        assert exchange(lost) == b"?"
        old = service.worker
        bundle = old.hand_over()
        assert bundle.queue is not None
        os.close(bundle.queue)
        empty = os.dup(bundle.state)
        service.worker = old.succeed(service.options, type(bundle)(empty, None))
        old.dismiss()
        old.close()
        service.worker.go()
        assert read_all(lost) == b""
        service.await_counters(lost=1)
        assert "clients are lost: " in capfd.readouterr().err
        with service.connect() as client:
            assert exchange(client) == b"?"
        os.close(bundle.state)
        os.close(empty)
