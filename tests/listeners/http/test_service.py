"""The HTTP worker, on real sockets: requests, routes, refusals."""

from __future__ import annotations

import socket

import pytest

from tests.listeners.http.http_client import GET_HELLO, HELLO, Response, Start, ask
from tests.support import read_all


def test_text_is_answered_again_and_again_on_one_connection(start: Start) -> None:
    worker = start(HELLO)
    with worker.connect() as sock:
        for _ in range(3):
            sock.sendall(GET_HELLO)
            answer = Response(sock)
            assert (answer.status, answer.body) == (200, b"Hello from Epoll Server")
            assert answer.fields["Content-Type"] == "text/plain; charset=utf-8"
            assert "Connection" not in answer.fields
    assert worker.await_counters(lambda c: c["requests"] == 3)["cache_hits"] == 2


def test_without_routes_a_page_says_that_netd_works(start: Start) -> None:
    worker = start()
    assert b"netd works" in ask(worker, "/").body
    assert ask(worker, "/other").status == 404


def test_pipelined_requests_are_answered_in_order(start: Start) -> None:
    worker = start(HELLO, {"path": "/", "text": "root"})
    with worker.connect() as sock:
        other = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        sock.sendall((GET_HELLO + other) * 50)
        for _ in range(50):
            assert Response(sock).body == b"Hello from Epoll Server"
            assert Response(sock).body == b"root"


def test_a_request_may_come_byte_by_byte(start: Start) -> None:
    with start(HELLO).connect() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        for _ in range(2):
            for byte in GET_HELLO:
                sock.send(bytes([byte]))
            assert Response(sock).status == 200


@pytest.mark.parametrize(
    ("split", "count", "sent"),
    [(2, 1, b"\r\n" + GET_HELLO), (30, 2, GET_HELLO + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")],
)
def test_a_ready_answer_to_what_came_in_pieces_leaves_nothing_behind(
    start: Start, split: int, count: int, sent: bytes
) -> None:
    worker = start(HELLO, header_timeout="500ms", keepalive_timeout="500ms")
    assert ask(worker, "/hello").status == 200
    before = worker.await_counters(lambda c: c["connections"] == 0)["bytes_in"]
    with worker.connect() as sock:
        sock.sendall(sent[:split])
        worker.await_counters(lambda c: c["bytes_in"] == before + split)
        sock.sendall(sent[split:])
        assert [Response(sock).status for _ in range(count)] == [200, 404][:count]
        assert sock.recv(1) == b""  # idle, so it ends without a word


def test_head_tells_the_length_and_sends_nothing(start: Start) -> None:
    worker = start(HELLO)
    with worker.connect() as sock:
        for _ in range(2):
            sock.sendall(GET_HELLO.replace(b"GET", b"HEAD"))
            assert Response(sock, has_body=False).fields["Content-Length"] == "23"
        sock.sendall(GET_HELLO)
        assert Response(sock).status == 200


def test_http_1_0_is_closed_unless_it_asks_otherwise(start: Start) -> None:
    worker = start(HELLO)
    with worker.connect() as sock:
        sock.sendall(b"GET /hello HTTP/1.0\r\n\r\n")
        assert read_all(sock).endswith(b"\r\n\r\nHello from Epoll Server")
    with worker.connect() as sock:
        for _ in range(2):
            sock.sendall(b"GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            assert Response(sock).fields["Connection"] == "keep-alive"


def test_connection_close_is_honoured_from_the_table_too(start: Start) -> None:
    worker = start(HELLO)
    for _ in range(2):
        with worker.connect() as sock:
            sock.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert b"Connection: close" in read_all(sock)


def test_nothing_is_answered_after_connection_close(start: Start) -> None:
    with start(HELLO).connect() as sock:
        last = b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        sock.sendall(last + GET_HELLO)
        assert Response(sock).status == 200
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b""


def test_methods(start: Start) -> None:
    worker = start(HELLO)
    refused = ask(worker, "/hello", method="DELETE")
    assert (refused.status, refused.fields["Allow"]) == (405, "GET, HEAD, OPTIONS")
    assert ask(worker, "/hello", method="BREW").status == 501
    assert ask(worker, "/hello", method="OPTIONS").fields["Allow"] == "GET, HEAD, OPTIONS"
    assert ask(worker, "*", method="OPTIONS").status == 204


def test_redirects(start: Start) -> None:
    worker = start(
        {"path": "/old", "redirect": "https://example.org/new"},
        {"path": "/tree", "redirect": "/t/", "match": "prefix", "redirect_status": 308},
        {"path": "/up", "redirect": "/", "match": "prefix"},
    )
    answer = ask(worker, "/old")
    assert (answer.status, answer.fields["Location"]) == (302, "https://example.org/new")
    answer = ask(worker, "/tree/a%20b?c=d")
    assert (answer.status, answer.fields["Location"]) == (308, "/t/a%20b?c=d")
    assert ask(worker, "/up?c=d").fields["Location"] == "/?c=d"


def test_http_leads_to_https_of_the_same_host(start: Start) -> None:
    worker = start({"path": "/", "match": "prefix", "redirect": "https://{host}/"})
    with worker.connect() as sock:
        sock.sendall(b"GET /a?b HTTP/1.1\r\nHost: Example.org:80\r\n\r\n")
        assert Response(sock).fields["Location"] == "https://example.org/a?b"
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert Response(sock).status == 400


def test_routes_are_chosen_by_host_and_longest_path(start: Start) -> None:
    worker = start(
        {"path": "/", "text": "any"},
        {"path": "/", "host": "a.example", "text": "a"},
        {"path": "/", "host": "*.example", "text": "wild"},
        {"path": "/sub", "match": "prefix", "text": "sub"},
    )

    def body(host: str, path: str = "/") -> bytes:
        with worker.connect() as sock:
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            return Response(sock).body

    assert [body("A.example:80"), body("b.example"), body("b.test")] == [b"a", b"wild", b"any"]
    assert [body("b.test", "/sub"), body("b.test", "/sub/x")] == [b"sub", b"sub"]
    assert b"404" in body("b.test", "/subx")


def test_echo_gives_back_what_was_sent(start: Start) -> None:
    worker = start({"path": "/", "echo": "body"}, {"path": "/as", "echo": "request"})
    with worker.connect() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
        assert Response(sock).body == b"hello"
        chunks = b"3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: x\r\n\r\n"
        sock.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
        assert Response(sock).body == b"abcde"
        sock.sendall(b"GET /as?q HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n")
        assert Response(sock).body == b"GET /as?q HTTP/1.1\nHost: x\nA: b\n\n"


def test_a_body_nobody_wants_is_read_and_forgotten(start: Start) -> None:
    with start(HELLO).connect() as sock:
        sock.sendall(b"POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        sock.sendall(bytes(100000) + GET_HELLO)
        assert Response(sock).status == 405
        assert Response(sock).status == 200


def test_continue_is_sent_only_where_the_body_is_wanted(start: Start) -> None:
    worker = start(HELLO, {"path": "/echo", "echo": "body"})
    expecting = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    with worker.connect() as sock:
        sock.sendall(expecting % b"/echo")
        assert Response(sock).status == 100
        sock.sendall(b"ok")
        assert Response(sock).body == b"ok"
    with worker.connect() as sock:
        sock.sendall(expecting % b"/hello")
        refused = Response(sock)
        assert (refused.status, refused.fields["Connection"]) == (405, "close")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET /" + b"a" * 9000, 414),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 40000, 431),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\nx", 413),
        (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (b"\x16\x03\x01", 400),
    ],
)
def test_refusals_are_answered_then_closed(start: Start, request_bytes: bytes, status: int) -> None:
    with start(HELLO).connect() as sock:
        sock.sendall(request_bytes)
        answer = Response(sock)
        assert (answer.status, answer.fields["Connection"]) == (status, "close")
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b""


def test_fields_are_added_by_rule(start: Start) -> None:
    worker = start({**HELLO, "headers": {"X-Frame-Options": "", "X-A": "b"}})
    fields = ask(worker, "/hello").fields
    assert (fields["X-A"], fields["X-Content-Type-Options"]) == ("b", "nosniff")
    assert "X-Frame-Options" not in fields
    assert ask(worker, "/none").fields["X-Frame-Options"] == "SAMEORIGIN"


def test_a_field_is_sent_once_however_it_is_written(start: Start) -> None:
    worker = start({**HELLO, "headers": {"content-type": "text/html", "cache-control": "no-store"}})
    fields = ask(worker, "/hello").fields
    assert [name for name in fields if name.lower() == "content-type"] == ["Content-Type"]
    assert fields["cache-control"] == "no-store"


def test_health(start: Start) -> None:
    assert ask(start({"path": "/healthz", "health": True}), "/healthz").body == b"ok\n"
