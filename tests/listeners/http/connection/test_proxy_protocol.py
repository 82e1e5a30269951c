"""Proxies that name their clients by the PROXY protocol."""

from __future__ import annotations

import ssl
from pathlib import Path

from tests.listeners.http.http_client import GET_HELLO, HELLO, Response, Start, ask, is_cut
from tests.support import make_certificate, wait_until

FROM_LOOPBACK = {"proxy_protocol_from": "127.0.0.0/8"}
HEADER = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"


def test_the_client_in_the_header_is_logged_and_checked(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "log"
    worker = start(HELLO, **FROM_LOOPBACK, access_log=str(log), deny="192.0.2.9")
    with worker.connect() as sock:
        sock.sendall(HEADER + GET_HELLO)
        assert Response(sock).status == 200
    with worker.connect() as sock:
        sock.sendall(HEADER.replace(b"2.1 ", b"2.9 ", 1) + GET_HELLO)
        assert is_cut(sock)
    worker.await_counters(lambda c: c["refused_denied"] == 1)
    wait_until(lambda: log.exists() and log.read_text(), "a line")
    assert log.read_text().startswith("192.0.2.1 - - ")


def test_connections_of_one_client_through_a_proxy_are_bounded(start: Start) -> None:
    worker = start(HELLO, **FROM_LOOPBACK, max_connections_per_address=1)
    with worker.connect() as first, worker.connect() as second, worker.connect() as other:
        first.sendall(HEADER + GET_HELLO)
        assert Response(first).status == 200
        second.sendall(HEADER)
        assert is_cut(second)
        other.sendall(HEADER.replace(b"2.1 ", b"2.7 ", 1) + GET_HELLO)
        assert Response(other).status == 200


def test_the_header_may_arrive_byte_by_byte(start: Start) -> None:
    with start(HELLO, **FROM_LOOPBACK).connect() as sock:
        for byte in HEADER:
            sock.send(bytes([byte]))
        sock.sendall(GET_HELLO)
        assert Response(sock).status == 200


def test_a_proxy_without_a_header_is_not_served(start: Start) -> None:
    worker = start(HELLO, **FROM_LOOPBACK, header_timeout="300ms")
    for said in (GET_HELLO, HEADER[:9], b""):
        with worker.connect() as sock:
            sock.sendall(said)
            assert is_cut(sock)
    with worker.connect() as sock:
        sock.sendall(b"PROXY ")
    worker.await_counters(lambda c: c["proxy_protocol_failures"] == 4)


def test_other_peers_send_no_header(start: Start) -> None:
    worker = start(HELLO, proxy_protocol_from="10.0.0.0/8")
    assert ask(worker, "/hello").status == 200
    with worker.connect() as sock:
        sock.sendall(HEADER + GET_HELLO)
        assert Response(sock).status == 400


def test_the_header_comes_before_tls(start: Start, tmp_path: Path) -> None:
    worker = start(HELLO, **FROM_LOOPBACK, tls=make_certificate(tmp_path, "one.test"))
    context = ssl.create_default_context(cafile=str(tmp_path / "one.test.pem"))
    with worker.connect() as sock:
        sock.sendall(HEADER)
        with context.wrap_socket(sock, server_hostname="one.test") as secure:
            secure.sendall(GET_HELLO)
            assert Response(secure).status == 200


def test_a_drained_worker_ends_when_its_last_connection_is_denied(start: Start) -> None:
    worker = start(HELLO, **FROM_LOOPBACK, header_timeout="60s", deny="192.0.2.1")
    with worker.connect() as sock, worker.connect() as other:
        other.sendall(HEADER.replace(b"2.1 ", b"2.7 ", 1) + GET_HELLO)
        assert "Connection" not in Response(other).fields  # so both are accepted
        worker.drain()
        last = None
        while last != "close":  # the drain may reach the worker after a request
            other.sendall(GET_HELLO)
            last = Response(other).fields.get("Connection")
        sock.sendall(HEADER)
        assert is_cut(sock)
    assert worker.await_exit().status == 0


def test_a_stop_waits_for_a_header_for_a_moment_only(start: Start) -> None:
    worker = start(HELLO, **FROM_LOOPBACK, header_timeout="60s")
    with worker.connect() as sock, worker.connect() as silent:
        sock.sendall(HEADER + GET_HELLO)
        assert Response(sock).status == 200
        worker.drain(60, stopping=True)
        assert is_cut(silent)
    assert worker.await_exit().status == 0
