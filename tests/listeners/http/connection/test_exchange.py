"""The requests of one connection: bodies, 100 Continue and refusals."""

from __future__ import annotations

import socket

import pytest

from tests.listeners.http.http_client import GET_HELLO, HELLO, Response, Start


def test_a_body_that_no_handler_takes_is_read_and_dropped(start: Start) -> None:
    with start(HELLO).connect() as sock:
        sock.sendall(b"POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        sock.sendall(bytes(100000) + GET_HELLO)
        assert Response(sock).status == 405
        assert Response(sock).status == 200


def test_100_continue_is_sent_only_if_a_handler_takes_the_body(start: Start) -> None:
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
def test_a_refusal_closes_the_connection(start: Start, request_bytes: bytes, status: int) -> None:
    with start(HELLO).connect() as sock:
        sock.sendall(request_bytes)
        response = Response(sock)
        assert (response.status, response.fields["Connection"]) == (status, "close")
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b""
