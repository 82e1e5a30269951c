"""A worker's life: limits, lateness, reconfiguration, the end."""

from __future__ import annotations

import os
import resource
import select
import socket
from pathlib import Path

import pytest

from netd.config.address import Address
from netd.config.schema import read_options
from netd.listeners.http import KIND
from netd.listeners.http.options import HttpOptions
from netd.listeners.tls_options import TlsOptions
from netd.protocols.link import Heartbeat
from tests.listeners.http.http_client import GET_HELLO, HELLO, LOOPBACK, Response, Start, ask, write
from tests.support import read_all


def test_who_is_late_is_told_and_closed(start: Start) -> None:
    worker = start(HELLO, header_timeout="200ms", keepalive_timeout="200ms", body_timeout="200ms")
    with worker.connect() as sock:
        sock.sendall(b"GET / HT")
        assert Response(sock).status == 408
    with worker.connect() as sock:
        sock.sendall(b"POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
        assert Response(sock).status == 408
    with worker.connect() as sock:
        sock.sendall(GET_HELLO)
        assert Response(sock).status == 200
        assert sock.recv(1) == b""
    with worker.connect() as sock:
        assert sock.recv(1) == b""


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"GET /hello HTTP/1.1\r\nHost: x\r\nX: ", b"y"),
        (b"POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n", b"y"),
        (b"POST /hello HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\ny\r\n"),
    ],
)
def test_who_trickles_is_cut_in_the_end(start: Start, head: bytes, drop: bytes) -> None:
    worker = start(HELLO, header_timeout="300ms", body_timeout="300ms")
    with worker.connect() as sock:
        sock.sendall(head)
        while not select.select([sock], [], [], 0.02)[0]:
            sock.sendall(drop)
        assert Response(sock).status == 408
    assert worker.await_counters(lambda c: c["timeouts"] == 1)


def test_a_reader_that_takes_too_little_is_cut(start: Start, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(64_000_000))
    slow = {"send_timeout": "300ms", "min_rate": "1GiB"}
    worker = start({"path": "/", "directory": str(tmp_path)}, **slow)
    with worker.connect() as sock:
        sock.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        while not worker.counters.get("timeouts"):
            sock.recv(200_000)
            worker.await_message(Heartbeat)  # what was read until then is far too little


def test_memory_stays_flat(start: Start) -> None:
    worker = start(HELLO, {"path": "/echo", "echo": "body"}, cache_size=0)
    mixed = b"".join(
        b"GET /none/%d HTTP/1.1\r\nHost: x\r\n\r\nPOST /echo HTTP/1.1\r\nHost: x\r\n"
        b"Content-Length: 5\r\n\r\nhello%s" % (number, GET_HELLO)
        for number in range(300)
    )

    def resident_kib() -> int:
        for _ in range(3):
            with worker.connect() as sock:
                sock.sendall(mixed)
                sock.shutdown(socket.SHUT_WR)
                assert read_all(sock).count(b"HTTP/1.1 ") == 900
        pages = int(Path(f"/proc/{worker.process.pid}/statm").read_text().split()[1])
        return pages * resource.getpagesize() // 1024

    resident_kib()
    first = resident_kib()
    assert resident_kib() - first < 1024


def test_a_reader_that_takes_nothing_is_cut(start: Start, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(64_000_000))
    worker = start({"path": "/", "directory": str(tmp_path)}, send_timeout="300ms")
    with worker.connect() as sock:
        sock.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        assert worker.await_counters(lambda c: c["timeouts"] == 1)["connections"] == 0


def test_limits_refuse_and_count(start: Start) -> None:
    worker = start(HELLO, max_connections=1)
    with worker.connect() as first, worker.connect() as second:
        assert second.recv(1) == b""
        first.sendall(GET_HELLO)
        assert Response(first).status == 200
        assert worker.await_counters(lambda c: c["refused"] == 1)["connections"] == 1


def test_kept_connections_go_on_under_new_routes(start: Start) -> None:
    worker = start(HELLO)
    with worker.connect() as sock:
        for text in ("Hello from Epoll Server", "other"):
            worker.configure({"routes": [{**HELLO, "text": text}]})
            for _ in range(2):
                sock.sendall(GET_HELLO)
                assert Response(sock).body == text.encode()


def test_the_table_is_bounded(start: Start) -> None:
    worker = start({**HELLO, "match": "prefix"}, cache_size=8000)
    for number in range(40):
        assert ask(worker, f"/hello/{number}").status == 200
    assert worker.await_counters(lambda c: c["cache_rejected"] > 0)


def test_a_unix_socket_serves_too(start: Start, tmp_path: Path) -> None:
    worker = start(HELLO, addresses=[f"unix://{tmp_path}/http.sock"])
    assert ask(worker, "/hello").status == 200


def test_drain_without_stop_tells_kept_connections_to_close(start: Start) -> None:
    worker = start(HELLO)
    with worker.connect() as sock:
        sock.sendall(GET_HELLO)
        assert "Connection" not in Response(sock).fields
        worker.drain()
        last = None
        while last != "close":  # the drain may reach the worker after a request
            sock.sendall(GET_HELLO)
            answer = Response(sock)
            assert answer.status == 200
            last = answer.fields.get("Connection")
        assert sock.recv(1) == b""
    assert worker.await_exit().status == 0


def test_stop_closes_the_idle_and_finishes_the_rest(start: Start) -> None:
    worker = start(HELLO)
    with worker.connect() as idle, worker.connect() as busy:
        idle.sendall(GET_HELLO)
        Response(idle)
        busy.sendall(b"POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n")
        worker.await_counters(lambda c: c["bytes_in"] > len(GET_HELLO))
        worker.drain(10, stopping=True)
        assert idle.recv(1) == b""
        busy.sendall(b"x")
        assert Response(busy).fields["Connection"] == "close"
    assert worker.await_exit().status == 0


def test_what_waits_to_be_accepted_is_served_before_the_end(start: Start) -> None:
    worker = start(HELLO)
    waiting = [worker.connect() for _ in range(20)]
    for sock in waiting:
        sock.sendall(GET_HELLO)
    worker.drain(10, stopping=True)
    for sock in waiting:
        with sock:
            assert Response(sock).status == 200
    assert worker.await_exit().status == 0


def test_the_deadline_cuts(start: Start) -> None:
    worker = start(HELLO)
    with worker.connect() as sock:
        sock.sendall(b"GET /he")
        worker.await_counters(lambda c: c["bytes_in"] > 0)
        worker.drain(0.1, stopping=True)
        assert read_all(sock) == b""
    assert worker.await_exit().status == 0


def test_probe_and_hint(start: Start) -> None:
    worker = start({"path": "/", "text": "x"})
    assert KIND.probe("web", worker.address(), 5).startswith("200 OK in ")
    plain = HttpOptions(address=(worker.address(),))
    assert KIND.hint(worker.address(), plain) == f"curl http://127.0.0.1:{worker.address().port}/"
    secure = HttpOptions(address=(worker.address(),), tls=TlsOptions(certificate="x"))
    assert (
        KIND.hint(worker.address(), secure) == f"curl -k https://127.0.0.1:{worker.address().port}/"
    )
    unix = Address.parse("unix:///s")
    assert KIND.hint(unix, secure) == "curl -k --unix-socket /s https://localhost/"


def test_check_finds_what_is_missing(tmp_path: Path) -> None:
    write(tmp_path / "file")
    routes = [
        {"path": "/a", "directory": str(tmp_path)},
        {"path": "/b", "directory": str(tmp_path / "none")},
        {"path": "/c", "directory": str(tmp_path / "file")},
        {"path": "/d", "directory": str(tmp_path), "fallback": "app", "error_pages": {404: "x"}},
    ]
    options = read_options(KIND.options, {"kind": "http", "address": LOOPBACK, "routes": routes})
    problems = KIND.check(options)
    assert [each.key for each in problems] == [
        *("routes.1.directory", "routes.2.directory"),
        *("routes.3.fallback", "routes.3.error_pages.404"),
    ]
    assert problems[0].message.endswith("does not exist")


def test_out_of_descriptors_connections_wait_and_are_served_later(start: Start) -> None:
    worker = start(HELLO)
    pid = worker.process.pid
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    highest = max(map(int, os.listdir(f"/proc/{pid}/fd")))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (highest + 3, limits[1]))
    waiting = [worker.connect() for _ in range(highest + 4)]  # numbers below may be free, too
    for sock in waiting:
        sock.sendall(GET_HELLO)
    worker.await_counters(lambda c: c["accept_failures"] > 0)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    for sock in waiting:
        with sock:
            assert Response(sock).status == 200
