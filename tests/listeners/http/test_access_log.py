"""The access log."""

from __future__ import annotations

import json
from pathlib import Path

from tests.listeners.http.http_client import HELLO, Answer, Start, ask
from tests.support import wait_until


def test_access_log(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "log"
    options = {"access_log": str(log), "forwarded_from": ["127.0.0.0/8", "10.0.0.0/8"]}
    worker = start(HELLO, **options)
    for _ in range(2):
        ask(
            worker,
            "/hello",
            'User-Agent: a"b\\\x7e',
            "X-Forwarded-For: 6.6.6.6, 192.0.2.1, 10.1.1.1",
        )
    with worker.connect() as sock:
        sock.sendall(b"\x1b[31m\r\n\r\n")
        assert Answer(sock).status == 400
    wait_until(lambda: log.exists() and len(log.read_text().splitlines()) == 3, "three lines")
    first, second, refused = log.read_text().splitlines()
    assert first.startswith("192.0.2.1 - - [")
    assert first.endswith('"GET /hello HTTP/1.1" 200 23 "-" "a\\x22b\\x5c~"')
    assert second.endswith(first.partition("] ")[2])
    assert '"-" 400 ' in refused
    log.unlink()
    worker.configure({"routes": [HELLO], **options, "access_log_format": "json"})
    ask(worker, "/hello")
    wait_until(lambda: log.exists() and log.read_text(), "a line")
    told = json.loads(log.read_text())
    assert (told["client"], told["request"], told["status"]) == (
        *("127.0.0.1", "GET /hello HTTP/1.1", 200),
    )
