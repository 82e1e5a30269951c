"""Text, redirects, echo and health."""

from __future__ import annotations

from tests.listeners.http.http_client import GET_HELLO, HELLO, Response, Start, ask


def test_head_has_the_length_and_no_content(start: Start) -> None:
    worker = start(HELLO)
    with worker.connect() as sock:
        for _ in range(2):
            sock.sendall(GET_HELLO.replace(b"GET", b"HEAD"))
            assert Response(sock, has_body=False).fields["Content-Length"] == "23"
        sock.sendall(GET_HELLO)
        assert Response(sock).status == 200


def test_redirects(start: Start) -> None:
    worker = start(
        {"path": "/old", "redirect": "https://example.org/new"},
        {"path": "/tree", "redirect": "/t/", "match": "prefix", "redirect_status": 308},
        {"path": "/up", "redirect": "/", "match": "prefix"},
    )
    response = ask(worker, "/old")
    assert (response.status, response.fields["Location"]) == (302, "https://example.org/new")
    response = ask(worker, "/tree/a%20b?c=d")
    assert (response.status, response.fields["Location"]) == (308, "/t/a%20b?c=d")
    assert ask(worker, "/up?c=d").fields["Location"] == "/?c=d"


def test_http_is_redirected_to_https_of_the_same_host(start: Start) -> None:
    worker = start({"path": "/", "match": "prefix", "redirect": "https://{host}/"})
    with worker.connect() as sock:
        sock.sendall(b"GET /a?b HTTP/1.1\r\nHost: Example.org:80\r\n\r\n")
        assert Response(sock).fields["Location"] == "https://example.org/a?b"
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert Response(sock).status == 400


def test_echo_sends_back_the_body_or_the_request(start: Start) -> None:
    worker = start({"path": "/", "echo": "body"}, {"path": "/as", "echo": "request"})
    with worker.connect() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
        assert Response(sock).body == b"hello"
        chunks = b"3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: x\r\n\r\n"
        sock.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
        assert Response(sock).body == b"abcde"
        sock.sendall(b"GET /as?q HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n")
        assert Response(sock).body == b"GET /as?q HTTP/1.1\nHost: x\nA: b\n\n"


def test_health(start: Start) -> None:
    assert ask(start({"path": "/healthz", "health": True}), "/healthz").body == b"ok\n"
