"""Echo over connections, with processes and with threads."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from pathlib import Path

import pytest

from netd.listeners.echo import KIND
from tests.conftest import StartDaemon, StartWorker
from tests.support import WorkerUnderTest, connect, read_all, read_exactly, wait_until

TCP = "tcp://127.0.0.1:0"
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # struct linger, socket(7)

both = pytest.mark.parametrize("concurrency", ["fork", "thread"])


def addresses(directory: Path) -> list[str]:
    return [TCP, "tcp://[::1]:0", f"unix://{directory}/echo"]


def exchange(client: socket.socket, data: bytes) -> bytes:
    """Send data and end-of-file, and read the reply at the same time."""

    def send() -> None:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    answer = read_all(client)
    sender.join()
    return answer


@both
@pytest.mark.parametrize("index", range(3))
def test_every_byte_is_echoed_then_end_of_file(
    start_worker: StartWorker, tmp_path: Path, concurrency: str, index: int
) -> None:
    worker = start_worker(KIND, {"concurrency": concurrency}, addresses(tmp_path))
    data = os.urandom(5_000_003)
    with worker.connect(index) as client:
        assert exchange(client, data) == data


@both
def test_more_connections_than_spare_slots_are_served_at_the_same_time(
    start_worker: StartWorker, concurrency: str
) -> None:
    worker = start_worker(KIND, {"concurrency": concurrency, "spare": 1}, [TCP])
    clients = [worker.connect() for _ in range(12)]
    for number, client in enumerate(clients):
        client.sendall(b"%d" % number)
    for number, client in enumerate(clients):
        assert read_exactly(client, len(str(number))) == b"%d" % number
        client.close()


@both
def test_tag_names_the_process_or_thread(start_worker: StartWorker, concurrency: str) -> None:
    worker = start_worker(KIND, {"concurrency": concurrency, "tag": True}, [TCP])
    with worker.connect() as client:
        client.sendall(b"hello")
        client.shutdown(socket.SHUT_WR)
        tag, _, rest = read_all(client).partition(b": ")
    assert rest == b"hello"
    if concurrency == "fork":
        assert int(tag) != worker.process.pid
        assert Path(f"/proc/{int(tag)}/stat").read_text().split()[3] == str(worker.process.pid)
    else:
        assert tag.startswith(b"echo-")


@both
def test_tag_is_put_before_each_piece(start_worker: StartWorker, concurrency: str) -> None:
    worker = start_worker(KIND, {"concurrency": concurrency, "tag": True}, [TCP])
    with worker.connect() as client:
        client.sendall(b"one")
        first = client.recv(100)
        client.sendall(b"two")
        assert client.recv(100) == first.replace(b"one", b"two")


@both
def test_a_reset_ends_one_connection(start_worker: StartWorker, concurrency: str) -> None:
    worker = start_worker(KIND, {"concurrency": concurrency, "spare": 1}, [TCP])
    with worker.connect() as rude:
        rude.sendall(b"x" * 1_000_000)  # more than the client reads, so the slot blocks in a write
        rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    worker.await_counters(lambda counters: counters["reset"] == 1)
    with worker.connect() as client:
        assert exchange(client, b"still here") == b"still here"


@both
def test_an_idle_connection_is_closed(start_worker: StartWorker, concurrency: str) -> None:
    worker = start_worker(KIND, {"concurrency": concurrency, "idle_timeout": "1h"}, [TCP])
    with worker.connect() as client:
        client.sendall(b"a")
        assert client.recv(1) == b"a"
        worker.configure({"concurrency": concurrency, "idle_timeout": "1s"})
        assert read_all(client) == b""


@both
def test_a_busy_connection_is_closed_after_the_connection_timeout(
    start_worker: StartWorker, concurrency: str
) -> None:
    worker = start_worker(KIND, {"concurrency": concurrency, "connection_timeout": "1h"}, [TCP])
    with worker.connect() as client:
        client.sendall(b"a")
        assert client.recv(1) == b"a"
        worker.configure({"concurrency": concurrency, "connection_timeout": "1s"})
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(b"a")
            while client.recv(1):
                client.sendall(b"a")


@both
def test_a_connection_above_the_limit_is_closed(
    start_worker: StartWorker, concurrency: str
) -> None:
    worker = start_worker(
        KIND, {"concurrency": concurrency, "spare": 1, "max_connections": 2}, [TCP]
    )
    first, second = held(worker, 2)
    with worker.connect() as third:
        assert read_all(third) == b""
    first.sendall(b"on")
    assert read_exactly(first, 2) == b"on"
    counters = worker.await_counters(lambda counters: counters["refused"] == 1)
    assert counters["refused_full"] == 1
    assert counters["connections"] == 2
    first.close()
    second.close()
    worker.await_counters(lambda counters: counters["connections"] == 0)
    held(worker, 1)[0].close()


def test_a_full_worker_leaves_connections_to_another_with_room(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(
        '[listeners.echo]\nkind = "echo"\naddress = "tcp://127.0.0.1:0"\n'
        "workers = 2\nmax_connections = 1\nspare = 1\n"
    )
    address = daemon.address("echo")
    for _ in range(20):
        with connect(address) as first:
            first.sendall(b"1")
            assert read_exactly(first, 1) == b"1"
            with connect(address) as second:
                second.sendall(b"2")
                assert read_exactly(second, 1) == b"2"
                for served in (first, second):
                    served.shutdown(socket.SHUT_WR)
                    assert read_all(served) == b""
    clients = [connect(address) for _ in range(3)]
    for client in clients[:2]:
        client.sendall(b"3")
        assert read_exactly(client, 1) == b"3"
    assert read_all(clients[2]) == b""
    for client in clients:
        client.close()


@both
def test_connections_of_one_address_are_limited(
    start_worker: StartWorker, concurrency: str
) -> None:
    worker = start_worker(
        KIND, {"concurrency": concurrency, "max_connections_per_address": 2}, [TCP]
    )
    clients = held(worker, 2)
    with worker.connect() as third:
        assert read_all(third) == b""
    for client in clients:
        client.close()
    worker.await_counters(lambda counters: counters["refused"] == 1 and not counters["connections"])
    held(worker, 1)[0].close()


@both
def test_a_denied_network_is_refused(start_worker: StartWorker, concurrency: str) -> None:
    worker = start_worker(KIND, {"concurrency": concurrency, "deny": "127.0.0.0/8"}, [TCP])
    with worker.connect() as client:
        assert read_all(client) == b""
    worker.await_counters(lambda counters: counters["refused_denied"] == 1)


def held(worker: WorkerUnderTest, count: int) -> list[socket.socket]:
    """Return the number of open connections."""
    clients = [worker.connect() for _ in range(count)]
    for client in clients:
        client.sendall(b"?")
        assert read_exactly(client, 1) == b"?"
    return clients


def test_a_killed_process_is_replaced(start_worker: StartWorker) -> None:
    worker = start_worker(KIND, {"tag": True, "spare": 1}, [TCP])
    for _ in range(3):
        with worker.connect() as client:
            client.sendall(b"x")
            pid = int(client.recv(100).partition(b":")[0])
            os.kill(pid, 9)
            assert client.recv(100) == b""


def test_no_process_outlives_the_worker(start_worker: StartWorker) -> None:
    worker = start_worker(KIND, {"spare": 3}, [TCP])
    children = Path(f"/proc/{worker.process.pid}/task/{worker.process.pid}/children")
    wait_until(lambda: len(children.read_text().split()) == 3, "the first slots")
    pids = [int(pid) for pid in children.read_text().split()]
    os.kill(worker.process.pid, 9)
    worker.await_exit()
    wait_until(lambda: not any(is_running(pid) for pid in pids), "the slots to die")


def test_threads_share_a_cpu_and_the_worker_does_not(start_worker: StartWorker) -> None:
    worker = start_worker(KIND, {"concurrency": "thread"}, [TCP])
    with worker.connect() as client:
        assert exchange(client, b"hello") == b"hello"
        pid = worker.process.pid

        def share_a_cpu() -> bool:
            threads = {int(tid) for tid in os.listdir(f"/proc/{pid}/task")} - {pid}
            usable = {frozenset(os.sched_getaffinity(tid)) for tid in threads}
            return len(usable) == len(next(iter(usable))) == 1

        wait_until(share_a_cpu, "all threads on one CPU")
        assert os.sched_getaffinity(pid) == os.sched_getaffinity(0)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
