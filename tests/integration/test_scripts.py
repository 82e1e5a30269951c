"""Scripts and programs that post to a chat by way of a whole daemon, and read it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartDaemon, StartManaged
from tests.listeners.chat.test_service import Irc
from tests.support import (
    PATIENCE_S,
    ConfiguredDaemon,
    connect,
    make_certificate,
    stop_process,
    wait_until,
)

TOKEN = "0123456789abcdef"
CONFIG = f"""
[netd]
heartbeat_timeout = "5m"

[listeners.lounge]
kind = "chat"
address = "tcp://127.0.0.1:0"
server_name = "irc.test"
poller = "epoll"

[listeners.web]
kind = "http"
address = "tcp://127.0.0.1:0"

[[listeners.web.routes]]
path = "/hooks/ops"
post = "lounge"
channel = "#lounge"
nick = "deploy"
token = "{TOKEN}"
post_rate = 0
"""
BEARER = {"Authorization": f"Bearer {TOKEN}"}
EVENTS = {**BEARER, "Accept": "text/event-stream"}


class Script:
    """Makes requests, each on a connection of its own."""

    def __init__(
        self, daemon: ConfiguredDaemon, stack: ExitStack, tls: ssl.SSLContext | None = None
    ) -> None:
        self._address = daemon.address("web")  # a restart keeps it
        self._stack = stack
        self._tls = tls

    def request(
        self, body: str | None = None, query: str = "", fields: dict[str, str] = BEARER
    ) -> http.client.HTTPResponse:
        sock = connect(self._address)
        connection = http.client.HTTPConnection("localhost")
        connection.sock = sock if self._tls is None else self._tls.wrap_socket(sock)
        self._stack.callback(connection.close)
        method = "GET" if body is None else "POST"
        data = None if body is None else body.encode()
        connection.request(method, f"/hooks/ops{query}", data, fields)
        response = connection.getresponse()
        self._stack.callback(response.close)
        return response

    def post(self, text: str, **fields: str) -> str:
        """Post a message that the room takes; return its id.

        The text is its key, unless another one is given; a slow machine may need several requests.
        """
        fields = {**BEARER, "Idempotency-Key": text.encode().hex(), **fields}
        for _ in range(3):
            response = self.request(text, fields=fields)
            content = response.read()
            if response.status != 503:
                break
        assert response.status == 204, content
        return response.headers["X-Message-Id"]

    def texts(self, after: str = "") -> list[str]:
        response = self.request(query=f"?after={after}&limit=100")
        content = response.read()
        assert response.status == 200, content
        return [json.loads(line)["text"] for line in content.splitlines()]

    def events(self, after: str = "") -> Iterator[dict[str, Any]]:
        """Events that are read as they are needed; the request is made at once."""
        response = self.request(query=f"?after={after}", fields=EVENTS)
        assert response.status == 200
        return (
            json.loads(line.removeprefix(b"data: "))
            for line in response
            if line.startswith(b"data: ")
        )


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def join(daemon: ConfiguredDaemon, stack: ExitStack) -> Irc:
    member = Irc(daemon.connect("lounge"))
    stack.callback(member.close)
    return member.register("ann").join()


@contextmanager
def posting(script: Script, *texts: str) -> Iterator[None]:
    """Post meanwhile; in the end all were taken."""
    ids: list[str] = []
    thread = threading.Thread(target=lambda: ids.extend(map(script.post, texts)))
    thread.start()
    yield
    thread.join(2 * PATIENCE_S)
    assert len(ids) == len(texts)


def test_members_and_scripts_talk_through_reloads(
    start_daemon: StartDaemon, stack: ExitStack
) -> None:
    daemon = start_daemon(CONFIG)
    script, ann = Script(daemon, stack), join(daemon, stack)
    first = script.post("first")
    ann.sync()
    for old, new in (
        ('poller = "epoll"', 'poller = "poll"'),
        ('kind = "http"', 'kind = "http"\nworkers = 2'),
        ("post_rate = 0", "post_rate = 0\npost_lines = 9"),
    ):
        daemon.write(CONFIG.replace(old, new))
        assert not daemon.reload().error
        script.post(new)
        assert ann.expect(":deploy!")  # no JOIN, no QUIT
    ann.send("PRIVMSG #lounge :thanks")
    events = script.events(first)
    texts = [next(events)["text"] for _ in range(4)]
    assert texts[0] == 'poller = "poll"'
    assert texts[-1] == "thanks"
    assert not [line for line in ann.sync() if " JOIN " in line or " QUIT " in line]


def test_a_killed_chat_worker_loses_no_post(start_daemon: StartDaemon, stack: ExitStack) -> None:
    daemon = start_daemon(CONFIG)
    script = Script(daemon, stack)
    script.post("before")
    [pid] = daemon.pids("lounge")
    stop_process(pid)
    handed_off = daemon.listener("web")["counters"]["handoffs"]
    with posting(script, "meanwhile"):
        wait_until(
            lambda: daemon.listener("web")["counters"]["handoffs"] > handed_off, "the request"
        )
        os.kill(pid, signal.SIGKILL)
    assert script.texts()[-1:] == ["meanwhile"]
    assert script.texts().count("meanwhile") == 1


def test_restarts_lose_no_post(start_managed: StartManaged, stack: ExitStack) -> None:
    daemon = start_managed(CONFIG)
    script, ann = Script(daemon, stack), join(daemon, stack)
    key = {"Idempotency-Key": "once"}
    first = script.post("once", **key)
    ann.expect("PRIVMSG")
    texts = [str(number) for number in range(60)]
    with posting(script, *texts):
        daemon.systemd.restart()
        daemon.systemd.restart()
    assert script.post("once", **key) == first
    assert script.texts(first) == texts
    head = ":deploy!~hook@localhost PRIVMSG #lounge :"
    assert ann.sync() == [f"{head}{text}" for text in texts]  # and neither QUIT nor JOIN


def test_scripts_under_tls(start_daemon: StartDaemon, stack: ExitStack, tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path, "web")
    names = ", ".join(f"{name} = '{path}'" for name, path in certificate.items())
    daemon = start_daemon(CONFIG.replace('kind = "http"', f'kind = "http"\ntls = {{ {names} }}'))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    script = Script(daemon, stack, context)
    events = script.events(script.post("first"))
    script.post("second")
    assert next(events)["text"] == "second"
    assert script.texts() == ["first", "second"]
