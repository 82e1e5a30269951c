"""Which route responds to a request, and the fields it adds."""

from __future__ import annotations

from pathlib import Path

import pytest

from netd.protocols.password import hash_password
from tests.listeners.http.http_client import HELLO, Response, Start, ask


def test_without_routes_the_welcome_page_is_sent(start: Start) -> None:
    worker = start()
    assert b"netd works" in ask(worker, "/").body
    assert ask(worker, "/other").status == 404


def test_routes_are_chosen_by_host_and_longest_path(start: Start) -> None:
    worker = start(
        {"path": "/", "text": "any"},
        {"path": "/", "host": "a.example", "text": "a"},
        {"path": "/", "host": "*.example", "text": "wild"},
        {"path": "/sub", "match": "prefix", "text": "sub"},
        {"path": "/sub", "match": "exact", "host": ["c.test", "d.test"], "text": "two"},
        {"path": "/", "match": "prefix", "host": "c.test", "text": "below"},
        {"path": "/", "match": "exact", "host": "c.test", "text": "top"},
    )

    def body(host: str, path: str = "/") -> bytes:
        with worker.connect() as sock:
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            return Response(sock).body

    assert [body("A.example:80"), body("b.example"), body("b.test")] == [b"a", b"wild", b"any"]
    assert [body("b.test", "/sub"), body("b.test", "/sub/x")] == [b"sub", b"sub"]
    assert b"404" in body("b.test", "/subx")
    assert body("a.example.") == b"a"  # a name with its root label
    assert [body("c.test", "/sub"), body("d.test", "/sub")] == [b"two", b"two"]
    assert [body("c.test"), body("c.test", "/x")] == [b"top", b"below"]


def test_methods(start: Start) -> None:
    worker = start(HELLO)
    refused = ask(worker, "/hello", method="DELETE")
    assert (refused.status, refused.fields["Allow"]) == (405, "GET, HEAD, OPTIONS")
    assert ask(worker, "/hello", method="BREW").status == 501
    assert ask(worker, "/hello", method="OPTIONS").fields["Allow"] == "GET, HEAD, OPTIONS"
    assert ask(worker, "*", method="OPTIONS").status == 204


def test_a_route_adds_and_removes_fields(start: Start) -> None:
    worker = start({**HELLO, "headers": {"X-Frame-Options": "", "X-A": "b"}})
    fields = ask(worker, "/hello").fields
    assert (fields["X-A"], fields["X-Content-Type-Options"]) == ("b", "nosniff")
    assert "X-Frame-Options" not in fields
    assert ask(worker, "/none").fields["X-Frame-Options"] == "SAMEORIGIN"


def test_a_field_is_sent_once_in_any_case_of_its_name(start: Start) -> None:
    worker = start({**HELLO, "headers": {"content-type": "text/html", "cache-control": "no-store"}})
    fields = ask(worker, "/hello").fields
    assert [name for name in fields if name.lower() == "content-type"] == ["Content-Type"]
    assert fields["cache-control"] == "no-store"


ORIGIN = "https://app.example"
PREFLIGHT = (f"Origin: {ORIGIN}", "Access-Control-Request-Method: POST")


def cors_fields(response: Response) -> dict[str, str]:
    """The fields of the CORS protocol, without their common prefix, and Vary."""
    names = [name for name in response.fields if name.startswith("Access-Control-")]
    found = {name.removeprefix("Access-Control-"): response.fields[name] for name in names}
    return found | {name: response.fields[name] for name in ("Vary",) if name in response.fields}


def test_pages_of_listed_sites_may_read_responses(start: Start) -> None:
    worker = start({"path": "/", "text": "x", "cors": ORIGIN})
    for _ in range(2):  # from the cache as well
        response = ask(worker, "/", f"Origin: {ORIGIN}")
        assert cors_fields(response) == {"Allow-Origin": ORIGIN, "Vary": "Origin"}
        assert cors_fields(ask(worker, "/", "Origin: https://evil.example")) == {"Vary": "Origin"}
        assert cors_fields(ask(worker, "/")) == {"Vary": "Origin"}


def test_a_preflight_request_gets_methods_and_fields(start: Start) -> None:
    users = {"ann": hash_password("secret", bytes(16))}
    echo = {"path": "/", "echo": "body", "headers": {"X-A": "b"}, "cors": [ORIGIN, "*"]}
    worker = start({**echo, "users": users})
    asked = "Access-Control-Request-Headers: authorization, x-b"
    response = ask(worker, "/", *PREFLIGHT, asked, method="OPTIONS")
    assert (response.status, response.fields["X-A"]) == (204, "b")
    assert cors_fields(response) == {
        "Allow-Origin": ORIGIN,
        "Allow-Credentials": "true",
        "Allow-Methods": "GET, HEAD, OPTIONS, PATCH, POST, PUT",
        "Allow-Headers": "authorization, x-b",
        "Max-Age": "600",
        "Vary": "Origin",
    }
    other = ask(worker, "/", "Origin: https://other.example")
    assert other.status == 401
    assert cors_fields(other) == {"Allow-Origin": "https://other.example", "Vary": "Origin"}
    for injected in ("a;b", "\xff"):
        asked = f"Access-Control-Request-Headers: {injected}"
        refused = ask(worker, "/", *PREFLIGHT, asked, method="OPTIONS")
        assert "Allow-Headers" not in cors_fields(refused)


def test_all_sites_may_read_a_route_without_users(start: Start) -> None:
    worker = start({"path": "/", "text": "x", "cors": "*"})
    assert cors_fields(ask(worker, "/")) == {"Allow-Origin": "*"}


@pytest.mark.parametrize(("status", "answer"), [(307, 307), (308, 308), (301, 405), (303, 405)])
def test_some_redirects_keep_the_method(start: Start, status: int, answer: int) -> None:
    worker = start({"path": "/old", "redirect": "/new", "redirect_status": status})
    assert ask(worker, "/old", "Content-Length: 0", method="POST").status == answer


READ_FIELDS = (
    *("Accept", "Accept-Encoding", "Access-Control-Request-Headers", "Authorization"),
    *("Access-Control-Request-Method", "Content-Encoding", "Content-Type", "Idempotency-Key"),
    *("If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since"),
    *("Last-Event-ID", "Origin", "Range", "Referer", "Sec-WebSocket-Key", "User-Agent"),
    *("Sec-WebSocket-Protocol", "Sec-WebSocket-Version", "X-Forwarded-For", "X-Forwarded-Proto"),
    *("X-GitHub-Event", "X-Hub-Signature-256"),
)
"""The fields that some part of netd reads, and that do not frame a request."""


def test_bytes_that_are_no_text_get_a_response_in_any_field(start: Start, tmp_path: Path) -> None:
    worker = start(
        {"path": "/text", "text": "x", "cors": "https://app.example"},
        {"path": "/files", "directory": str(tmp_path), "listing": True, "cors": "*"},
        {"path": "/echo", "echo": "request"},
        {"path": "/old", "redirect": "https://{host}/", "match": "prefix"},
        {"path": "/hook", "post": "room", "channel": "#a", "nick": "n", "token": "t" * 16},
        {"path": "/chat", "chat": "room", "users": {"ann": hash_password("secret", bytes(16))}},
        forwarded_from=["127.0.0.1"],
    )
    for value in (
        "\xff\xfe",
        "\xb2",
        "bytes=\xb2-\xb3",
        "sha256=\xff",
        "Basic \xff",
        "Bearer \xff",
    ):
        lines = [f"{name}: {value}" for name in READ_FIELDS]
        for path in ("text", "files/", "echo", "old", "hook", "chat"):
            for method in ("GET", "OPTIONS", "POST"):
                assert ask(worker, f"/{path}?{path}", *lines, method=method).status < 500
