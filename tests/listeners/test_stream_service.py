from __future__ import annotations

import socket

from netd.config.model import ListenerOptions
from netd.listeners.kind import Kind
from netd.listeners.stream_service import StreamService
from netd.runtime.stream import Stream
from tests.conftest import StartWorker
from tests.support import read_all, read_exactly


class Upper(StreamService[ListenerOptions]):
    """Sends what it receives in capitals."""

    def on_data(self, stream: Stream, data: bytes) -> None:
        stream.write(data.upper())


KIND = Kind("upper", ListenerOptions, lambda: Upper, lambda *_: "")


def test_it_serves_limits_counts_and_drains(start_worker: StartWorker) -> None:
    worker = start_worker(KIND, {"max_connections": 1}, ["tcp://127.0.0.1:0"])
    with worker.connect() as client:
        client.sendall(b"abc")
        assert read_exactly(client, 3) == b"ABC"
        with worker.connect() as refused:
            assert refused.recv(1) == b""
        worker.configure({"max_connections": 2})
        with worker.connect() as other:
            other.sendall(b"d")
            other.shutdown(socket.SHUT_WR)
            assert read_all(other) == b"D"
        worker.await_counters(lambda counters: counters["connections"] == 1)
        assert (worker.counters["accepted"], worker.counters["refused"]) == (2, 1)
        assert (worker.counters["bytes_in"], worker.counters["bytes_out"]) == (4, 4)
        worker.drain()
        client.sendall(b"e")
        assert read_exactly(client, 1) == b"E"
    assert worker.await_exit().status == 0


def test_the_deadline_of_a_drain_closes_open_connections(start_worker: StartWorker) -> None:
    worker = start_worker(KIND, {}, ["tcp://127.0.0.1:0"])
    with worker.connect() as client:
        client.sendall(b"x")
        assert read_exactly(client, 1) == b"X"
        worker.drain(0.01, stopping=True)
        assert client.recv(1) == b""
    assert worker.await_exit().status == 0
