"""A worker: limits, reconfiguration, draining."""

from __future__ import annotations

import os
import resource
from pathlib import Path

from tests.listeners.http.http_client import GET_HELLO, HELLO, Response, Start, ask
from tests.support import PATIENCE_S, read_all


def test_connections_beyond_the_limit_are_refused_and_counted(start: Start) -> None:
    worker = start(HELLO, max_connections=1)
    with worker.connect() as first:
        first.sendall(GET_HELLO[:9])
        worker.await_counters(lambda c: c["bytes_in"] == 9)
        with worker.connect() as third:
            assert third.recv(1) == b""
        first.sendall(GET_HELLO[9:])
        assert Response(first).status == 200
        assert worker.await_counters(lambda c: c["refused"] == 1)["connections"] == 1


def test_an_idle_connection_makes_room_for_a_new_one(start: Start) -> None:
    worker = start(HELLO, max_connections=2)
    with worker.connect() as older, worker.connect() as newer:
        for sock in (older, newer, older):  # so the second one has been idle for longer
            sock.sendall(GET_HELLO)
            assert Response(sock).status == 200
        assert ask(worker, "/hello").status == 200
        assert newer.recv(1) == b""
        older.sendall(GET_HELLO)
        assert Response(older).status == 200
        assert worker.await_counters(lambda c: c["evicted"] == 1)["refused"] == 0


def test_one_address_cannot_take_all_connections(start: Start) -> None:
    worker = start(HELLO, max_connections=3, max_connections_per_address=1)
    with worker.connect() as first:
        first.sendall(GET_HELLO)
        assert Response(first).status == 200
        with worker.connect() as second:
            assert second.recv(1) == b""
        assert worker.await_counters(lambda c: c["refused_address_full"] == 1)["evicted"] == 0


def test_open_connections_get_the_new_routes(start: Start) -> None:
    worker = start(HELLO)
    with worker.connect() as sock:
        for text in ("Hello from Epoll Server", "other"):
            worker.configure({"routes": [{**HELLO, "text": text}]})
            for _ in range(2):
                sock.sendall(GET_HELLO)
                assert Response(sock).body == text.encode()


def test_a_unix_socket_serves_too(start: Start, tmp_path: Path) -> None:
    worker = start(HELLO, addresses=[f"unix://{tmp_path}/http.sock"])
    assert ask(worker, "/hello").status == 200


def test_drain_closes_open_connections_with_their_next_response(start: Start) -> None:
    worker = start(HELLO)
    with worker.connect() as sock:
        sock.sendall(GET_HELLO)
        assert "Connection" not in Response(sock).fields
        worker.drain()
        last = None
        while last != "close":  # the drain may reach the worker after a request
            sock.sendall(GET_HELLO)
            response = Response(sock)
            assert response.status == 200
            last = response.fields.get("Connection")
        assert sock.recv(1) == b""
    assert worker.await_exit().status == 0


def test_a_worker_that_exits_serves_clients_that_it_has_not_handed_over(start: Start) -> None:
    worker = start(HELLO)
    with worker.connect() as sock:
        sock.sendall(GET_HELLO[:9])
        worker.await_counters(lambda c: c["bytes_in"] == 9)
        worker.request_exit()
        worker.await_counters(lambda c: c["connections"] == 1)
        sock.sendall(GET_HELLO[9:])
        while Response(sock).fields.get("Connection") != "close":
            sock.sendall(GET_HELLO)  # the message reaches the worker after a request
        assert sock.recv(1) == b""
    assert worker.await_exit().status == 0


def test_a_stop_closes_idle_connections_and_finishes_the_others(start: Start) -> None:
    worker = start(HELLO)
    with worker.connect() as idle, worker.connect() as busy:
        idle.sendall(GET_HELLO)
        Response(idle)
        busy.sendall(b"POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n")
        worker.await_counters(lambda c: c["bytes_in"] > len(GET_HELLO))
        worker.drain(PATIENCE_S, stopping=True)
        assert idle.recv(1) == b""
        busy.sendall(b"x")
        assert Response(busy).fields["Connection"] == "close"
    assert worker.await_exit().status == 0


def test_connections_in_the_backlog_are_served_before_the_end(start: Start) -> None:
    worker = start(HELLO)
    waiting = [worker.connect() for _ in range(20)]
    for sock in waiting:
        sock.sendall(GET_HELLO)
    worker.drain(PATIENCE_S, stopping=True)
    for sock in waiting:
        with sock:
            assert Response(sock).status == 200
    assert worker.await_exit().status == 0


def test_open_connections_are_closed_at_the_deadline(start: Start) -> None:
    worker = start(HELLO)
    with worker.connect() as sock:
        sock.sendall(b"GET /he")
        worker.await_counters(lambda c: c["bytes_in"] > 0)
        worker.drain(0.1, stopping=True)
        assert read_all(sock) == b""
    assert worker.await_exit().status == 0


def test_out_of_descriptors_connections_wait_and_are_served_later(start: Start) -> None:
    worker = start(HELLO)
    pid = worker.process.pid
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    highest = max(map(int, os.listdir(f"/proc/{pid}/fd")))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (highest + 3, limits[1]))
    waiting = [worker.connect() for _ in range(highest + 4)]  # smaller numbers may be free, too
    for sock in waiting:
        sock.sendall(GET_HELLO)
    worker.await_counters(lambda c: c["accept_failures"] > 0)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    for sock in waiting:
        with sock:
            assert Response(sock).status == 200
