"""Reading requests and sending responses on one connection, and its deadlines."""

from __future__ import annotations

import itertools
import os
import resource
import select
import socket
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest

from netd.listeners.http.connection.connection import Connection
from netd.listeners.http.connection.connection_state import ConnectionState
from netd.listeners.http.connection.descriptor_table import DescriptorTable
from netd.listeners.http.connection.transport import PlainTransport
from netd.protocols.link import Heartbeat
from netd.runtime.poller import READ
from tests.listeners.http.connection.owner import Owner
from tests.listeners.http.http_client import GET_HELLO, HELLO, Response, Start, ask
from tests.listeners.http.succession import Succession
from tests.support import read_all


def test_one_connection_serves_many_requests(start: Start) -> None:
    worker = start(HELLO)
    with worker.connect() as sock:
        for _ in range(3):
            sock.sendall(GET_HELLO)
            response = Response(sock)
            assert (response.status, response.body) == (200, b"Hello from Epoll Server")
            assert response.fields["Content-Type"] == "text/plain; charset=utf-8"
            assert "Connection" not in response.fields
    assert worker.await_counters(lambda c: c["requests"] == 3)["cache_hits"] == 2


def test_pipelined_requests_get_their_responses_in_order(start: Start) -> None:
    worker = start(HELLO, {"path": "/", "text": "root"})
    with worker.connect() as sock:
        other = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        sock.sendall((GET_HELLO + other) * 50)
        for _ in range(50):
            assert Response(sock).body == b"Hello from Epoll Server"
            assert Response(sock).body == b"root"


def test_a_pipeline_ends_with_the_request_to_close(start: Start) -> None:
    closing = b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    worker = start(HELLO)
    for _ in range(2):  # made, and then from the cache
        with worker.connect() as sock:
            sock.sendall(GET_HELLO * 3 + closing + GET_HELLO)
            sock.shutdown(socket.SHUT_WR)
            assert read_all(sock).count(b"Hello from Epoll Server") == 4
    assert worker.await_counters(lambda c: c["requests"] == 8)["cache_hits"] == 6


def test_a_request_may_arrive_byte_by_byte(start: Start) -> None:
    with start(HELLO).connect() as sock:
        for _ in range(2):
            for byte in GET_HELLO:
                sock.send(bytes([byte]))
            assert Response(sock).status == 200


@pytest.mark.parametrize(
    ("split", "count", "sent"),
    [(2, 1, b"\r\n" + GET_HELLO), (30, 2, GET_HELLO + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")],
)
def test_a_cached_response_to_a_request_in_pieces(
    start: Start, split: int, count: int, sent: bytes
) -> None:
    worker = start(HELLO)
    assert ask(worker, "/hello").status == 200
    before = worker.await_counters(lambda c: c["connections"] == 0)["bytes_in"]
    with worker.connect() as sock:
        sock.sendall(sent[:split])
        worker.await_counters(lambda c: c["bytes_in"] == before + split)
        sock.sendall(sent[split:])
        assert [Response(sock).status for _ in range(count)] == [200, 404][:count]
        worker.drain(stopping=True)
        assert sock.recv(1) == b""  # idle, so it is closed without a response


def test_an_http_1_0_connection_is_closed_unless_it_requests_keep_alive(start: Start) -> None:
    worker = start(HELLO)
    with worker.connect() as sock:
        sock.sendall(b"GET /hello HTTP/1.0\r\n\r\n")
        assert read_all(sock).endswith(b"\r\n\r\nHello from Epoll Server")
    with worker.connect() as sock:
        for _ in range(2):
            sock.sendall(b"GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            assert Response(sock).fields["Connection"] == "keep-alive"


def test_connection_close_is_honoured_with_a_cached_response_too(start: Start) -> None:
    worker = start(HELLO)
    for _ in range(2):
        with worker.connect() as sock:
            sock.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert b"Connection: close" in read_all(sock)


def test_requests_after_connection_close_get_no_response(start: Start) -> None:
    with start(HELLO).connect() as sock:
        last = b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        sock.sendall(last + GET_HELLO)
        assert Response(sock).status == 200
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b""


def test_a_late_client_gets_408_and_is_closed(succeed: Callable[..., Succession]) -> None:
    now = 1000.0
    timeouts = {f"{name}_timeout": "1s" for name in ("header", "keepalive", "body")}
    service = succeed(HELLO, clock=lambda: now, **timeouts)
    head, body, idle, unused = (service.connect() for _ in range(4))
    service.turn_until(lambda: service.figures()["connections"] == 4)
    sent = b"GET / HT", b"POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
    for client, data in zip((head, body), sent, strict=True):
        client.send(data)
    assert idle.ask(GET_HELLO)[0] == 200
    count = sum(map(len, (*sent, GET_HELLO)))
    service.turn_until(lambda: service.figures()["bytes_in"] == count)
    now += 0.9
    service.turn()
    assert service.figures()["connections"] == 4
    for _ in range(3):
        now += 0.3
        service.turn()
    assert (head.response()[0], body.response()[0]) == (408, 408)
    assert (idle.rest(), unused.rest()) == (b"", b"")


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"GET /hello HTTP/1.1\r\nHost: x\r\nX: ", b"y"),
        (b"POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n", b"y"),
        (b"POST /hello HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\ny\r\n"),
    ],
)
def test_a_client_that_sends_single_bytes_is_closed(
    succeed: Callable[..., Succession], head: bytes, drop: bytes
) -> None:
    now = 1000.0
    service = succeed(HELLO, clock=lambda: now, header_timeout="1s", body_timeout="1s")
    client = service.connect()
    client.send(head)
    service.turn_until(lambda: service.figures()["bytes_in"] == len(head))
    while not client.received:
        client.send(drop)
        now += 0.1
        client.receive()
    assert client.response()[0] == 408
    assert service.figures()["timeouts"] == 1


def test_a_client_that_receives_too_slowly_is_closed(start: Start, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(64_000_000))
    slow = {"send_timeout": "300ms", "min_rate": "1GiB"}
    worker = start({"path": "/", "directory": str(tmp_path)}, **slow)
    with worker.connect() as sock:
        sock.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        while not worker.counters.get("timeouts"):
            sock.recv(200_000)
            worker.await_message(Heartbeat)  # the bytes read until then are far too few


def test_a_client_that_receives_nothing_is_closed(start: Start, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(64_000_000))
    worker = start({"path": "/", "directory": str(tmp_path)}, send_timeout="300ms")
    with worker.connect() as sock:
        sock.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        assert worker.await_counters(lambda c: c["timeouts"] == 1)["connections"] == 0


def test_a_slow_client_is_served_though_the_socket_is_not_writable_for_long(
    succeed: Callable[..., Succession], tmp_path: Path
) -> None:
    (tmp_path / "big").write_bytes(bytes(64_000_000))
    now = 1000.0
    files = {"path": "/", "directory": str(tmp_path)}
    options = {"clock": lambda: now, "has_small_buffers": False}
    service = succeed(files, send_timeout="300ms", **options)
    client = service.connect()
    client.sock.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
    for _ in range(40):  # megabytes wait in the system meanwhile
        service.turn_until(lambda: select.select([client.sock], [], [], 0)[0])
        assert client.sock.recv(20_000)
        now += 0.05
        service.turn()
    assert (service.figures()["connections"], service.figures()["timeouts"]) == (1, 0)
    for _ in range(3):
        now += 0.5
        service.turn()
    assert service.figures()["timeouts"] == 1


def test_large_files_are_sent_whole(start: Start, tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    (tmp_path / "big").write_bytes(content)
    worker = start({"path": "/", "directory": str(tmp_path)})
    with worker.connect() as sock:
        sock.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
        assert Response(sock).body == content
        assert Response(sock).body == content


def test_a_file_truncated_meanwhile_ends_the_connection(start: Start, tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.write_bytes(bytes(64_000_000))
    worker = start({"path": "/", "directory": str(tmp_path)})
    with worker.connect() as sock:
        sock.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        sock.recv(1)
        os.truncate(big, 100)
        assert len(read_all(sock)) < 64_000_000
    assert worker.await_counters(lambda c: c["truncated"] == 1)


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


def test_a_head_is_looked_up_once_whether_it_is_cached_or_not() -> None:
    owner = Owner(lambda: 0.0)  # no turn is long
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        connection = Connection(owner, ours.fileno(), PlainTransport(ours), "")
        connection.start()
        for lookups in (1, 2):
            theirs.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            owner.loop.turn()
            assert Response(theirs).status == 200
            assert owner.counting.lookups == lookups
        assert owner.responder.cache_hits == 1
        connection.close()
    owner.loop.close()


@pytest.mark.parametrize("target", ["/", "/missing"])
def test_a_client_that_pipelines_gets_one_response_in_a_slice_of_time(target: str) -> None:
    seconds = itertools.count()
    owner = Owner(lambda: float(next(seconds)))  # at each look at the clock the slice is over
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        connection = Connection(owner, ours.fileno(), PlainTransport(ours), "")
        connection.start()
        theirs.setblocking(False)
        theirs.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode() * 20)
        for count in range(1, 21):
            owner.loop.turn()
            assert theirs.recv(65536).count(b"HTTP/1.1 ") == 1
            assert owner.responder.requests == count
        theirs.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        owner.loop.turn()
        assert theirs.recv(65536).count(b"HTTP/1.1 ") == 1
        connection.close()
    owner.loop.close()


@pytest.mark.parametrize("is_cached", [True, False])
def test_pipelined_requests_of_a_long_turn_get_their_responses_together(*, is_cached: bool) -> None:
    clock_s = [0.0]
    owner = Owner(lambda: clock_s[0])
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        transport = PlainTransport(ours)
        transport.send = send = Mock(side_effect=transport.send)
        connection = Connection(owner, ours.fileno(), transport, "")
        connection.start()
        get = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        if is_cached:
            theirs.sendall(get)
            owner.loop.turn()
            assert Response(theirs).status == 200
        theirs.sendall(get * 16)
        send.reset_mock()
        clock_s[0] += 1.0
        connection.on_ready(READ)
        send.assert_not_called()  # the other connections of the turn come first
        owner.loop.turn()
        send.assert_called_once()
        assert theirs.recv(65536).count(b"HTTP/1.1 ") == 16
        connection.close()
    owner.loop.close()


def test_a_connection_that_waits_for_its_slice_can_move_or_close() -> None:
    clock_s = [0.0]
    owner = Owner(lambda: clock_s[0])
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        connection = Connection(owner, ours.fileno(), PlainTransport(ours), "")
        connection.start()
        theirs.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
        clock_s[0] += 1.0
        connection.on_ready(READ)
        assert connection.save(DescriptorTable()).state is ConnectionState.SENDING
        connection.close()
        owner.loop.turn()
        assert owner.responder.requests == 0
    owner.loop.close()
