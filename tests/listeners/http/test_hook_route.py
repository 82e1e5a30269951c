"""Routes with `post`: requests of scripts, which the chat listener's part answers here."""

from __future__ import annotations

import hashlib
import hmac
import socket
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from netd.protocols.hook import HookAction, HookReply, HookRequest, format_reply, parse_request
from tests.listeners.http.http_client import Response
from tests.listeners.http.test_chat_route import Site
from tests.support import PATIENCE_S, cheap_hash, wait_until

TOKEN = "0123456789abcdef"
BEARER = f"Authorization: Bearer {TOKEN}"
POST = {"path": "/ops", "post": "lounge", "channel": "#ops", "nick": "deploy"}
WITH_TOKEN = {**POST, "token": TOKEN}
POSTED = HookReply(204, message_id="1-2")


class HookSite(Site):
    """Sends requests, and plays the chat worker."""

    def send(self, *lines: str, body: bytes = b"hello", method: str = "POST") -> socket.socket:
        client = self.connect()
        """Send a request; a first line that begins with `?` is the query."""
        query = lines[0] if lines and lines[0].startswith("?") else ""
        fields = [*lines[bool(query) :], f"Content-Length: {len(body)}"]
        head = [f"{method} /ops{query} HTTP/1.1", "Host: x", *fields]
        client.sendall("\r\n".join([*head, "", ""]).encode() + body)
        return client

    def reply(self, reply: HookReply = POSTED) -> HookRequest:
        """Reply to the next request, and return it."""
        arrived = self.arrived()
        assert arrived.handoff.is_hook
        with arrived.sock as sock:
            sock.sendall(format_reply(reply))
        return parse_request(arrived.handoff.received)

    def refusal(self, *lines: str, **request: Any) -> int:
        """The status of a request that does not reach the chat worker."""
        with self.send(*lines, **request) as client:
            status = Response(client).status
        self.assert_none_arrives()
        self.exit.settimeout(PATIENCE_S)
        return status


Open = Callable[..., HookSite]


@pytest.fixture
def open_site() -> Iterator[Open]:
    sites: list[HookSite] = []

    def opener(*routes: dict[str, Any], **options: Any) -> HookSite:
        sites.append(HookSite(*routes, **options))
        return sites[-1]

    yield opener
    for site in sites:
        site.close()


def test_a_post_and_the_outcomes(open_site: Open) -> None:
    site = open_site({**WITH_TOKEN, "post_lines": 7, "headers": {"X-Own": "1"}})
    for reply, status, body in (
        (POSTED, 204, b""),
        (HookReply(403, "Cannot send to channel"), 403, b"Cannot send to channel\n"),
        (HookReply(429, "too many", 9), 429, b"too many\n"),
    ):
        with site.send(BEARER, "Content-Type: text/plain", body="grüße".encode()) as client:
            request = site.reply(reply)
            response = Response(client)
        assert (response.status, response.body) == (status, body)
        assert response.fields["X-Own"] == "1"
    assert response.fields["Retry-After"] == "9"
    assert (request.action, request.text) == (HookAction.POST, "grüße")
    assert (request.channel, request.nick, request.limits.lines) == ("#ops", "deploy", 7)


def test_a_message_for_slack_gets_the_response_of_slack(open_site: Open) -> None:
    site = open_site(WITH_TOKEN)
    body = b'{"attachments": [{"title": "Down"}]}'
    with site.send(BEARER, "Content-Type: application/json", body=body) as client:
        assert site.reply().text == "Down"
        response = Response(client)
    assert (response.status, response.body) == (200, b"ok")
    assert response.fields["X-Message-Id"] == "1-2"


def test_all_forms_of_the_token(open_site: Open) -> None:
    site = open_site(WITH_TOKEN)
    basic = b64encode(f"any:{TOKEN}".encode()).decode()
    signature = hmac.new(TOKEN.encode(), b"hello", hashlib.sha256).hexdigest()
    forms = (BEARER, f"Authorization: Basic {basic}", f"X-Hub-Signature-256: sha256={signature}")
    for line in forms:
        with site.send(line) as client:
            site.reply()
            assert Response(client).status == 204
    wrong = b64encode(f"{TOKEN}:x".encode()).decode()
    for line in (
        *("Authorization: Bearer 0123456789abcdeF", "Authorization: Bearer", "Authorization: é"),
        *(f"Authorization: Basic {wrong}", f"X-Token: {TOKEN}", f"?token={TOKEN}"),
        f"X-Hub-Signature-256: sha256={signature[:-1]}",
        f"X-Hub-Signature-256: sha1={signature}",
    ):
        assert site.refusal(line) == 401
    assert site.refusal(f"X-Hub-Signature-256: sha256={signature}", body=b"other") == 401
    site.worker.await_counters(lambda now: now["denied_tokens"] == 9)


def test_the_token_is_in_no_log(open_site: Open, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    site = open_site(WITH_TOKEN, access_log=str(log))
    basic = b64encode(f"{TOKEN}:{TOKEN}x".encode()).decode()
    assert site.refusal(f"Authorization: Basic {basic}") == 401
    with site.send(BEARER) as client:
        site.reply()
        Response(client)
    wait_until(lambda: log.exists() and log.read_text().count("\n") == 2, "the log")
    assert TOKEN not in log.read_text()
    assert '"POST /ops HTTP/1.1" 204' in log.read_text()


def test_a_route_for_users_or_networks(open_site: Open) -> None:
    users = open_site({**POST, "users": {"ann": cheap_hash("secret")}})
    assert users.refusal(BEARER) == 401
    right = b64encode(b"ann:secret").decode()
    with users.send(f"Authorization: Basic {right}") as client:
        users.reply()
        assert Response(client).status == 204
    networks = open_site({**POST, "allow": ["127.0.0.0/8"]})
    with networks.send() as client:
        networks.reply()
        assert Response(client).status == 204


def test_the_pages_of_other_sites_may_not_post(open_site: Open) -> None:
    site = open_site({**POST, "allow": ["127.0.0.0/8"]})
    assert site.refusal("Origin: http://evil.example") == 403
    assert site.refusal("Origin: null") == 403
    assert site.refusal("Origin: http://x") == 403  # a name can be made to point here
    for route, fields in (
        ({**POST, "allow": ["127.0.0.0/8"], "origins": "http://x"}, ()),
        (WITH_TOKEN, (BEARER,)),
    ):
        site = open_site(route)
        with site.send("Origin: http://x", *fields) as client:
            site.reply()
            assert Response(client).status == 204


def test_requests_that_are_refused_at_once(open_site: Open) -> None:
    site = open_site(WITH_TOKEN, max_body=1000)
    assert site.refusal(BEARER, body=b"") == 400
    assert site.refusal(BEARER, body=b"x" * 1001) == 413
    assert site.refusal(BEARER, f"Idempotency-Key: {'x' * 257}") == 400
    assert site.refusal(BEARER, method="PUT") == 405
    for query in ("?limit=0", "?limit=-1", "?limit=x", "?after=a%0d%0aQUIT", "?after=a%20b"):
        assert site.refusal(query, BEARER, method="GET", body=b"") == 400
    stream = ("Accept: text/event-stream", "Last-Event-ID: a b", BEARER)
    assert site.refusal(*stream, method="GET", body=b"") == 400


def test_a_text_that_is_too_long_for_a_record_is_cut(open_site: Open) -> None:
    site = open_site(WITH_TOKEN)
    with site.send(BEARER, body="ü".encode() * 200_000) as client:
        assert site.reply().text == "ü" * 10_000
        assert Response(client).status == 204
    assert site.refusal(BEARER, body=b"\x02" * 20_000) == 413


def test_a_route_that_only_takes_messages(open_site: Open) -> None:
    site = open_site({**WITH_TOKEN, "post_only": True})
    assert site.refusal(BEARER, method="GET", body=b"") == 405
    with site.send(BEARER) as client:
        site.reply()
        assert Response(client).status == 204


def test_keys(open_site: Open) -> None:
    site = open_site(WITH_TOKEN)
    keys = []
    for key in ("Idempotency-Key: a", "Idempotency-Key: a", "Idempotency-Key: b", "X: y", "X: y"):
        with site.send(BEARER, key) as client:
            keys.append(site.reply().key)
            Response(client)
    assert keys[0] == keys[1]
    assert len({*keys}) == 4


def test_reading(open_site: Open) -> None:
    site = open_site(WITH_TOKEN)
    lines = b'{"id": "1-3"}\n'
    for query, after, count in (
        ("?x", "", 50),
        ("?after=1-2&limit=7", "1-2", 7),
        ("?limit=1000", "", 100),
    ):
        with site.send(query, BEARER, method="GET", body=b"") as client:
            request = site.reply(HookReply(200, content=lines))
            response = Response(client)
        assert (request.action, request.after, request.count) == (HookAction.READ, after, count)
        assert (response.status, response.body) == (200, lines)
        assert response.fields["Content-Type"] == "application/x-ndjson"
        assert response.fields["Cache-Control"] == "no-store"


def test_a_stream_gets_the_connection_and_the_head_of_the_response(open_site: Open) -> None:
    site = open_site({**WITH_TOKEN, "headers": {"X-Own": "1"}})
    fields = ("Accept: text/event-stream", "Last-Event-ID: 1-2", BEARER)
    with site.send("?after=1-1", *fields, method="GET", body=b"") as client:
        arrived = site.arrived()
        request = parse_request(arrived.handoff.received)
        assert (request.action, request.after) == (HookAction.STREAM, "1-2")
        with arrived.sock as chat:
            chat.sendall(request.head.encode() + b"data: x\n\n")
        response = Response(client)
        assert response.status == 200
        assert response.fields["Content-Type"] == "text/event-stream"
        assert (response.fields["Connection"], response.fields["X-Own"]) == ("close", "1")
        assert "Date" in response.fields
        assert client.recv(100) == b"data: x\n\n"
        assert client.recv(100) == b""


def test_a_chat_worker_that_ends_gets_the_request_again(open_site: Open) -> None:
    site = open_site(WITH_TOKEN)
    with site.send(BEARER) as client:
        arrived = site.arrived()
        first = parse_request(arrived.handoff.received)
        arrived.sock.sendall(format_reply(POSTED)[:-2])
        arrived.sock.close()
        assert site.reply() == first
        assert Response(client).status == 204


def test_another_http_worker_repeats_the_request_with_its_key(open_site: Open) -> None:
    site = open_site(WITH_TOKEN)
    with site.send(BEARER) as client:
        arrived = site.arrived()
        first = parse_request(arrived.handoff.received)
        before = site.worker
        bundle = before.hand_over(within_s=0.05)
        site.worker = before.succeed(site.options, bundle)
        bundle.close()
        before.dismiss()
        before.close()
        arrived.sock.close()
        site.worker.go()
        assert site.reply() == first
        assert Response(client).status == 204


def test_the_requests_under_way_are_bounded(open_site: Open) -> None:
    site = open_site(WITH_TOKEN)
    with ExitStack() as stack:
        waiting = [stack.enter_context(site.send(BEARER)) for _ in range(101)]
        site.worker.await_counters(lambda now: now["refused_handoffs"] == 1)
        for _ in range(100):
            site.reply()
        statuses = sorted(Response(client).status for client in waiting)
        assert statuses == [204] * 100 + [503]
    with site.send(BEARER) as client:
        site.reply()
        assert Response(client).status == 204


def test_without_a_chat_worker_it_is_503(open_site: Open) -> None:
    site = open_site(WITH_TOKEN)
    site.exit.close()
    with site.send(BEARER) as client:
        response = Response(client)
    assert response.status == 503
    assert response.fields["Retry-After"] == "5"
