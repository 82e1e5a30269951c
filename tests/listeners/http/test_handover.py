"""Connections that another service continues to serve: what their clients get."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.listeners.http.http_client import GET_HELLO, HELLO, write
from tests.listeners.http.succession import WITHIN_S, Succession, open_files
from tests.support import cheap_hash

Succeed = Callable[..., Succession]
ECHO = {"path": "/echo", "echo": "body"}
STATUS = {"path": "/status", "status": True}
CLOSING = b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
HELLO_TEXT = b"Hello from Epoll Server"
POST = b"POST %s HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n%s"
LENGTH = POST % (b"/echo", b"Content-Length: 11", b"hello world")
CHUNKED = POST % (
    b"/echo",
    b"Transfer-Encoding: chunked",
    b"5;a=b\r\nhello\r\n1\r\n \r\n05\r\nworld\r\n0\r\nX: y\r\n\r\n",
)
REQUESTS = {
    "a head": (GET_HELLO, 200, HELLO_TEXT),
    "an empty line before a head": (b"\r\n" + GET_HELLO, 200, HELLO_TEXT),
    "a body with Content-Length": (LENGTH, 200, b"hello world"),
    "a chunked body": (CHUNKED, 200, b"hello world"),
    "a body that is dropped": (LENGTH.replace(b"/echo", b"/hello"), 405, None),
    "a chunked body that is dropped": (CHUNKED.replace(b"/echo", b"/hello"), 405, None),
}


def test_a_client_that_keeps_its_connection_notices_nothing(succeed: Succeed) -> None:
    succession = succeed(HELLO)
    client = succession.connect()
    for _ in range(3):
        assert client.ask(GET_HELLO) == (200, HELLO_TEXT)
        succession.hand_over()
    assert client.ask(GET_HELLO) == (200, HELLO_TEXT)
    figures = succession.figures()
    assert (figures["connections"], figures["accepted"], figures["requests"]) == (1, 0, 1)
    assert client.ask(CLOSING)[0] == 200
    assert client.rest() == b""
    assert succession.figures()["connections"] == 0


def test_a_connection_that_was_not_used_yet_is_served(succeed: Succeed) -> None:
    succession = succeed(HELLO)
    client = succession.connect()
    succession.hand_over()
    assert client.ask(GET_HELLO) == (200, HELLO_TEXT)


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_in_two_pieces_with_a_handover_between(succeed: Succeed, name: str) -> None:
    request, status, content = REQUESTS[name]
    succession = succeed(HELLO, ECHO)
    client = succession.connect()
    for split in range(len(request)):
        client.send(request[:split])
        succession.hand_over()
        got = client.ask(request[split:])
        assert got[0] == status, split
        assert content in (got[1], None), split
    assert client.ask(GET_HELLO)[0] == 200
    assert succession.figures()["refused_requests"] == 0


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_byte_by_byte_with_a_handover_after_each(succeed: Succeed, name: str) -> None:
    request, status, content = REQUESTS[name]
    succession = succeed(HELLO, ECHO)
    client = succession.connect()
    for byte in request:
        client.send(bytes([byte]))
        succession.hand_over()
    got = client.response()
    assert (got[0], content in (got[1], None)) == (status, True)
    assert client.ask(GET_HELLO)[0] == 200


def test_permission_to_send_a_body_is_given_once(succeed: Succeed) -> None:
    head, _, body = LENGTH.replace(b"Host: x", b"Host: x\r\nExpect: 100-continue").rpartition(b"\n")
    succession = succeed(ECHO)
    for split in range(len(head) + 1):
        client = succession.connect()
        client.send(head[:split])
        succession.hand_over()
        client.send(head[split:] + b"\n")
        succession.hand_over()
        assert client.response() == (100, b"")
        assert client.ask(body) == (200, b"hello world")
        assert client.ask(CLOSING)[0] == 404
        assert client.rest() == b""


def test_a_pipeline_is_answered_in_order(succeed: Succeed) -> None:
    paths = [f"/{number}" for number in range(8)]
    succession = succeed(*({"path": path, "text": path * 100_000} for path in paths))
    client = succession.connect()
    requests = b"".join(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode() for path in paths)
    client.send(requests + requests[:20])
    for number, path in enumerate((*paths, paths[0])):
        if number == len(paths):
            client.send(requests[20 : len(requests) // len(paths)])
        succession.hand_over()
        assert client.response() == (200, path.encode() * 100_000)


@pytest.mark.parametrize("target", ["/file", "/text"])
def test_a_slow_download_continues(succeed: Succeed, tmp_path: Path, target: str) -> None:
    content = os.urandom(1_500_000).hex().encode()
    (tmp_path / "file").write_bytes(content)
    routes = {"path": "/", "directory": str(tmp_path)}, {"path": "/text", "text": content.decode()}
    succession = succeed(*routes)
    before = open_files()
    client = succession.connect()
    client.send(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % target.encode())
    for count in range(100_000, 2_000_000, 200_000):
        client.receive_bytes(count)
        succession.hand_over()
    status, got = client.response()
    assert (status, hashlib.sha256(got).digest()) == (200, hashlib.sha256(content).digest())
    assert client.ask(b"GET /file HTTP/1.1\r\nHost: x\r\nRange: bytes=0-9\r\n\r\n") == (
        *(206, content[:10]),
    )
    assert open_files() == before


def test_a_large_response_to_many_clients_is_passed_on_once(succeed: Succeed) -> None:
    text = os.urandom(1_500_000).hex()
    succession = succeed({"path": "/", "text": text}, cache_size="64MiB")
    before = open_files()
    clients = [succession.connect() for _ in range(20)]
    for number, client in enumerate(clients):
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
        client.receive_bytes(1 + number * 100_000)
    handover = succession.hand_over()
    succession.hand_over()
    assert len(json.dumps(handover.state)) < len(text) / 10
    for client in clients:
        assert [client.response() for _ in "12"] == [(200, text.encode())] * 2
    assert open_files() == before


def test_several_ranges_of_one_file_continue(succeed: Succeed, tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    (tmp_path / "file").write_bytes(content)
    succession = succeed({"path": "/", "directory": str(tmp_path)})
    before = open_files()
    client = succession.connect()
    client.send(b"GET /file HTTP/1.1\r\nHost: x\r\nRange: bytes=0-1399999,1500000-\r\n\r\n")
    client.receive_bytes(100_000)
    succession.hand_over()
    client.receive_bytes(1_600_000)
    succession.hand_over()
    status, got = client.response()
    assert (status, content[:1_400_000] in got, content[1_500_000:] in got) == (206, True, True)
    assert open_files() == before


def test_a_client_that_does_not_read_gets_all_of_it_later(succeed: Succeed) -> None:
    succession = succeed(ECHO, max_body="16MiB")
    content = os.urandom(6_000_000)
    client = succession.connect()
    head = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(content)
    client.send(head)
    for start in range(0, len(content), 50_000):
        client.send(content[start : start + 50_000])
    for _ in range(3):
        succession.hand_over()
    assert client.response() == (200, content)


def test_a_client_that_has_sent_its_last_byte_gets_its_response(
    succeed: Succeed, tmp_path: Path
) -> None:
    content = os.urandom(4_000_000)
    (tmp_path / "file").write_bytes(content)
    succession = succeed({"path": "/", "directory": str(tmp_path)})
    client = succession.connect()
    client.send(b"GET /file HTTP/1.1\r\nHost: x\r\n\r\n")
    client.sock.shutdown(socket.SHUT_WR)
    client.receive()
    succession.hand_over()
    assert client.response() == (200, content)
    assert client.rest() == b""


def test_a_refused_client_is_read_until_it_ends(succeed: Succeed) -> None:
    succession = succeed(ECHO, max_body=1000)
    client = succession.connect()
    client.send(POST % (b"/echo", b"Content-Length: 2000", bytes(1000)))
    succession.hand_over()
    client.send(bytes(1000))
    assert client.response()[0] == 413
    assert client.rest() == b""
    assert succession.figures()["connections"] == 1
    client.sock.shutdown(socket.SHUT_WR)
    succession.turn_until(lambda: succession.figures()["connections"] == 0)


@pytest.mark.parametrize(
    ("option", "sent", "received"),
    [
        ("header_timeout", b"GET / HT", b"HTTP/1.1 408 "),
        ("body_timeout", LENGTH[:-1], b"HTTP/1.1 408 "),
        ("keepalive_timeout", b"", b""),
    ],
)
def test_deadlines_are_kept(succeed: Succeed, option: str, sent: bytes, received: bytes) -> None:
    now = 1000.0
    succession = succeed(HELLO, ECHO, clock=lambda: now, **{option: "10s"})
    client = succession.connect()
    client.ask(GET_HELLO)
    client.send(sent)
    succession.turn_until(lambda: succession.figures()["bytes_in"] == len(GET_HELLO) + len(sent))
    for _ in range(3):
        now += 3
        succession.hand_over()
        client.receive()
        assert not client.is_at_end
        assert not client.received
    now += 3
    while not client.is_at_end and not client.received:
        client.receive()
    assert client.received.startswith(received)


def test_a_proxys_header_may_be_split(succeed: Succeed, tmp_path: Path) -> None:
    log = tmp_path / "log"
    succession = succeed(HELLO, proxy_protocol_from="127.0.0.0/8", access_log=str(log))
    header = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"
    for split in range(len(header)):
        client = succession.connect()
        client.send(header[:split])
        succession.hand_over()
        assert client.ask(header[split:] + GET_HELLO)[0] == 200
        succession.hand_over()
        assert client.ask(CLOSING)[0] == 200
    succession.prepare()
    lines = log.read_text().splitlines()
    assert len(lines) == 2 * len(header) - 1 + 1
    assert all(line.startswith("192.0.2.1 - - ") for line in lines)


def test_a_response_that_is_being_made_is_awaited(succeed: Succeed) -> None:
    succession = succeed(HELLO, STATUS)
    waiting, other = succession.connect(), succession.connect()
    waiting.send(b"GET /status?json HTTP/1.1\r\nHost: x\r\n\r\n")
    succession.turn_until(lambda: succession.daemon.waiting)
    prepared: list[bool] = []
    succession.service.prepare_handover(WITHIN_S, lambda: prepared.append(True))
    assert other.ask(GET_HELLO) == (200, HELLO_TEXT)
    assert succession.connect().ask(GET_HELLO) == (200, HELLO_TEXT)
    assert not prepared
    succession.daemon.respond(state="first")
    assert b'"first"' in waiting.response()[1]
    succession.turn_until(lambda: prepared)


def test_a_response_that_takes_too_long_is_made_again(succeed: Succeed) -> None:
    succession = succeed(HELLO, STATUS)
    client = succession.connect()
    client.send(b"GET /status?json HTTP/1.1\r\nHost: x\r\n\r\n" + GET_HELLO)
    for _ in range(2):
        succession.turn_until(lambda: succession.daemon.waiting)
        succession.hand_over(within_s=0.05)
    succession.turn_until(lambda: succession.daemon.waiting)
    succession.daemon.respond(state="third")
    assert b'"third"' in client.response()[1]
    assert client.response() == (200, HELLO_TEXT)


def test_a_password_is_checked_again(succeed: Succeed) -> None:
    users = {"a": cheap_hash("b")}
    succession = succeed({**ECHO, "users": users})
    request = LENGTH.replace(b"Host: x", b"Host: x\r\nAuthorization: Basic YTpi")
    for expectation in (b"", b"Expect: 100-continue\r\n"):
        head, _, body = request.replace(b"Host: x", expectation + b"Host: x").rpartition(b"\n")
        client = succession.connect()
        client.sock.sendall(head + b"\n" + (b"" if expectation else body))
        succession.turn(1)
        succession.hand_over(within_s=0)
        if expectation:
            assert client.response() == (100, b"")
            client.send(body)
        assert client.response() == (200, b"hello world")
        assert client.ask(CLOSING)[0] == 404
        succession.turn_until(lambda: not succession.figures()["connections"])


def test_a_listing_is_made_again(succeed: Succeed, tmp_path: Path) -> None:
    for number in range(3000):
        (tmp_path / f"{number}").touch()
    succession = succeed({"path": "/", "directory": str(tmp_path), "listing": True})
    client = succession.connect()
    client.sock.sendall(b"GET /?format=json HTTP/1.1\r\nHost: x\r\n\r\n")
    succession.turn(1)
    succession.hand_over(within_s=0)
    status, content = client.response()
    assert (status, content.count(b'"name"')) == (200, 3000)


def test_requests_are_answered_by_the_new_routes(succeed: Succeed) -> None:
    old, new = {"path": "/", "text": "old" * 2_000_000}, {"path": "/", "text": "new"}
    succession = succeed(old)
    reading, asking = succession.connect(), succession.connect()
    reading.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
    reading.receive_bytes(1)
    asking.send(b"GET / HTTP/1.1\r\nHos")
    succession.hand_over(routes=[new])
    assert asking.ask(b"t: x\r\n\r\n") == (200, b"new")
    assert reading.response() == (200, b"old" * 2_000_000)
    assert reading.response() == (200, b"new")


def test_the_new_limits_apply_to_requests_in_progress(succeed: Succeed) -> None:
    succession = succeed(HELLO, ECHO)
    head, body, chunks = (succession.connect() for _ in range(3))
    head.send(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 2000)
    body.send(POST % (b"/echo", b"Content-Length: 4000", bytes(1000)))
    chunks.send(POST % (b"/echo", b"Transfer-Encoding: chunked", b"7d0\r\n" + bytes(1000)))
    succession.hand_over(max_head=1024, max_body=1024)
    assert head.ask(b"y")[0] == 431
    assert body.ask(bytes(3000))[0] == 413
    assert chunks.ask(bytes(1000) + b"\r\n1\r\n")[0] == 413


def test_a_body_that_was_dropped_cannot_be_answered_by_a_route_that_needs_it(
    succeed: Succeed,
) -> None:
    succession = succeed({"path": "/echo", "text": "needs no body"})
    client = succession.connect()
    client.send(LENGTH[:-3])
    succession.turn_until(lambda: succession.figures()["bytes_in"] == len(LENGTH) - 3)
    succession.hand_over(routes=[ECHO])
    assert client.response()[0] == 503


def test_a_cached_response_can_be_under_way(succeed: Succeed) -> None:
    succession = succeed({"path": "/", "text": "x" * 3_000_000}, cache_size="64MiB")
    succession.connect().ask(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    client = succession.connect()
    client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    succession.turn_until(lambda: succession.figures()["cache_hits"] == 1)
    succession.hand_over()
    assert client.response() == (200, b"x" * 3_000_000)
    assert client.ask(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")[0] == 200


def test_files_in_the_cache_are_read_again(succeed: Succeed, tmp_path: Path) -> None:
    write(tmp_path / "file", "one")
    succession = succeed({"path": "/", "directory": str(tmp_path)})
    client = succession.connect()
    get = b"GET /file HTTP/1.1\r\nHost: x\r\n\r\n"
    assert client.ask(get) == (200, b"one")
    succession.hand_over()
    write(tmp_path / "file", "two")
    assert client.ask(get) == (200, b"two")
