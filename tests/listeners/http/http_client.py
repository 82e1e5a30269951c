"""A small HTTP client, and the requests and files that many tests use."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

from tests.support import WorkerUnderTest

LOOPBACK = ["tcp://127.0.0.1:0"]
PATIENT = {
    f"{name}_timeout": "5m" for name in ("header", "body", "send", "keepalive")
}  # where no time-out is the subject
Start = Callable[..., WorkerUnderTest]
HELLO = {"path": "/hello", "text": "Hello from Epoll Server"}
GET_HELLO = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"


class Response:
    """One response, read from a connection by its Content-Length."""

    def __init__(self, sock: socket.socket, *, has_body: bool = True) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = sock.recv(1)
            assert byte, f"the connection ended in a head: {head!r}"
            head += byte
        line, *lines = head.decode("latin-1").split("\r\n")[:-2]
        self.status = int(line.split(" ")[1])
        self.fields = dict(line.split(": ", 1) for line in lines)
        self.body = b""
        left = int(self.fields.get("Content-Length", 0)) if has_body else 0
        while left and (chunk := sock.recv(left)):
            self.body += chunk
            left -= len(chunk)
        assert not left, f"{left} bytes short"


def ask(worker: WorkerUnderTest, target: str, *lines: str, method: str = "GET") -> Response:
    """Send one request on a new connection and return the response."""
    head = "\r\n".join([f"{method} {target} HTTP/1.1", "Host: x", *lines, "", ""])
    with worker.connect() as sock:
        sock.sendall(head.encode("latin-1"))
        return Response(sock, has_body=method != "HEAD")


def write(path: Path, content: str = "content", age_s: float = 60) -> None:
    """Write a file with an old date, so that responses made from it are cached."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    then = path.stat().st_mtime - age_s
    os.utime(path, (then, then))


def is_cut(sock: socket.socket) -> bool:
    """Whether the connection ends without a response; unread bytes make it a reset."""
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True
