"""Every case of tests/cases/http on a real connection: whole, and byte by byte."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from netd.listeners.http import KIND
from tests.http_cases import PARSED, load
from tests.listeners.http.http_client import LOOPBACK, Response
from tests.support import WorkerUnderTest, read_all

NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
MAX_BYTEWISE = 1000  # longer requests would take long and show no more


@pytest.fixture(scope="module")
def worker() -> Iterator[WorkerUnderTest]:
    routes = [{"path": "/", "echo": "body", "match": "prefix"}]
    started = WorkerUnderTest(KIND, {"routes": routes}, LOOPBACK)
    yield started
    started.close()


def ways(request: bytes) -> Iterator[list[bytes]]:
    yield [request]
    if len(request) <= MAX_BYTEWISE:
        yield [request[i : i + 1] for i in range(len(request))]


def say(sock: socket.socket, pieces: list[bytes]) -> None:
    """Send the pieces until the worker closes; it may have refused the first ones."""
    try:
        for piece in pieces:
            sock.sendall(piece)
    except (BrokenPipeError, ConnectionResetError):
        pass


def status(sock: socket.socket, *, has_body: bool = True) -> int:
    return Response(sock, has_body=has_body).status


@pytest.mark.parametrize(
    ("outcome", "request_bytes"),
    [pytest.param(outcome, request, id=subject) for outcome, request, subject in load(*PARSED)],
)
def test_a_request_is_accepted_or_refused(
    worker: WorkerUnderTest, outcome: str, request_bytes: bytes
) -> None:
    is_head = request_bytes.startswith(b"HEAD")
    for pieces in ways(request_bytes):
        with worker.connect() as sock:
            say(sock, pieces)
            first = status(sock, has_body=not (is_head and outcome == "ok"))
            assert first == int(outcome) if outcome.isdigit() else first in (200, 204, 405, 501)
            if outcome.isdigit():
                sock.shutdown(socket.SHUT_WR)
                assert read_all(sock) == b""


@pytest.mark.parametrize(
    ("outcome", "request_bytes"),
    [
        pytest.param(outcome, request, id=subject)
        for outcome, request, subject in load("conversation")
    ],
)
def test_a_conversation(worker: WorkerUnderTest, outcome: str, request_bytes: bytes) -> None:
    *statuses, end = outcome.split(" ")
    for pieces in ways(request_bytes):
        with worker.connect() as sock:
            say(sock, pieces)
            assert [status(sock) for _ in statuses] == [int(text) for text in statuses]
            if end == "open":
                sock.sendall(NEXT)
                assert status(sock) == 200
                continue
            sock.shutdown(socket.SHUT_WR)
            if end == "wait":
                assert status(sock) == 400
            assert read_all(sock) == b""
