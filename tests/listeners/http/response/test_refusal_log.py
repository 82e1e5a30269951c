"""The log says why requests are refused."""

from __future__ import annotations

import re
from pathlib import Path

from tests.conftest import StartDaemon
from tests.listeners.http.http_client import Response
from tests.support import Daemon, wait_until

REASONS = (
    "400 to 127.0.0.1: no Host",
    "413 to 127.0.0.1: a body of 9999999 bytes is above 1048576",
    "400 to 127.0.0.1: a path segment hides a slash or a control byte",
    "404 to 127.0.0.1: '{0}/www/out\\u202e' leads out of the directory",
    "404 to 127.0.0.1: there is no directory {0}/gone",
    "403 to 127.0.0.1: its network may not use the route",
)
REQUESTS = (
    "GET / HTTP/1.1",
    "POST /www HTTP/1.1|Host: x|Expect: 100-continue|Content-Length: 9999999",
    "GET /a%00 HTTP/1.1|Host: x",
    "GET /www/out%E2%80%AE HTTP/1.1|Host: x",
    "GET /gone/x HTTP/1.1|Host: x",
    "GET /secret HTTP/1.1|Host: x",
)
NOT_FOUND = "GET /www/none HTTP/1.1|Host: x"  # needs no explanation


def send(daemon: Daemon, request: str) -> None:
    with daemon.connect("web") as sock:
        sock.sendall("\r\n".join([*request.split("|"), "", ""]).encode())
        assert Response(sock).status >= 400


def test_each_refusal_leaves_its_reason(start_daemon: StartDaemon, tmp_path: Path) -> None:
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "out\u202e").symlink_to(tmp_path)
    (tmp_path / "gone").mkdir()
    daemon = start_daemon(f"""
[listeners.web]
kind = "http"
address = "tcp://127.0.0.1:0"
routes = [
  {{ path = "/www", directory = "{tmp_path}/www" }},
  {{ path = "/gone", directory = "{tmp_path}/gone" }},
  {{ path = "/secret", text = "x", deny = "127.0.0.1" }},
]
""")
    (tmp_path / "gone").rmdir()
    for request in (NOT_FOUND, *REQUESTS):
        send(daemon, request)

    def logged() -> list[str]:
        return re.findall(r"request refused: (.*)", daemon.log.read_text())

    wait_until(lambda: len(logged()) >= len(REASONS), "the reasons")
    assert logged() == [reason.format(tmp_path) for reason in REASONS]
