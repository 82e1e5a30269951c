"""The HTTP worker, on real sockets."""

from __future__ import annotations

import gzip
import json
import os
import resource
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from netd.listeners.http import KIND
from tests.support import WorkerUnderTest, read_all, wait_until

LOOPBACK = ["tcp://127.0.0.1:0"]
Start = Callable[..., WorkerUnderTest]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[WorkerUnderTest] = []

    def launch(*routes: dict[str, Any], addresses: list[str] = LOOPBACK, **options: Any) -> Any:
        worker = WorkerUnderTest(KIND, {"routes": routes, **options}, addresses)
        started.append(worker)
        return worker

    yield launch
    for worker in started:
        worker.close()


HELLO = {"path": "/hello", "text": "Hello from Epoll Server"}
GET_HELLO = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"


class Answer:
    """One answer, read off a connection by its Content-Length."""

    def __init__(self, sock: socket.socket, *, has_body: bool = True) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = sock.recv(1)
            assert byte, f"the connection ended in a head: {head!r}"
            head += byte
        line, *lines = head.decode("latin-1").split("\r\n")[:-2]
        self.status = int(line.split(" ")[1])
        self.fields = dict(each.split(": ", 1) for each in lines)
        self.body = b""
        left = int(self.fields.get("Content-Length", 0)) if has_body else 0
        while left and (chunk := sock.recv(left)):
            self.body += chunk
            left -= len(chunk)
        assert not left, f"{left} bytes short"


def ask(worker: WorkerUnderTest, target: str, *lines: str, method: str = "GET") -> Answer:
    """One request on a connection of its own."""
    head = "\r\n".join([f"{method} {target} HTTP/1.1", "Host: x", *lines, "", ""])
    with worker.connect() as sock:
        sock.sendall(head.encode("latin-1"))
        return Answer(sock, has_body=method != "HEAD")


def write(path: Path, content: str = "content", age_s: float = 60) -> None:
    """A file that was written some time ago, so that answers made of it may be kept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    then = path.stat().st_mtime - age_s
    os.utime(path, (then, then))


def test_text_is_answered_again_and_again_on_one_connection(start: Start) -> None:
    worker = start(HELLO)
    with worker.connect() as sock:
        for _ in range(3):
            sock.sendall(GET_HELLO)
            answer = Answer(sock)
            assert (answer.status, answer.body) == (200, b"Hello from Epoll Server")
            assert answer.fields["Content-Type"] == "text/plain; charset=utf-8"
            assert "Connection" not in answer.fields
    assert worker.await_counters(lambda c: c["requests"] == 3)["ready_hits"] == 2


def test_without_routes_a_page_says_that_netd_works(start: Start) -> None:
    worker = start()
    assert b"netd works" in ask(worker, "/").body
    assert ask(worker, "/other").status == 404


def test_pipelined_requests_are_answered_in_order(start: Start) -> None:
    worker = start(HELLO, {"path": "/", "text": "root"})
    with worker.connect() as sock:
        other = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        sock.sendall((GET_HELLO + other) * 50)
        for _ in range(50):
            assert Answer(sock).body == b"Hello from Epoll Server"
            assert Answer(sock).body == b"root"


def test_a_request_may_come_byte_by_byte(start: Start) -> None:
    with start(HELLO).connect() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        for _ in range(2):
            for byte in GET_HELLO:
                sock.send(bytes([byte]))
            assert Answer(sock).status == 200


def test_head_tells_the_length_and_sends_nothing(start: Start) -> None:
    worker = start(HELLO)
    with worker.connect() as sock:
        for _ in range(2):
            sock.sendall(GET_HELLO.replace(b"GET", b"HEAD"))
            assert Answer(sock, has_body=False).fields["Content-Length"] == "23"
        sock.sendall(GET_HELLO)
        assert Answer(sock).status == 200


def test_http_1_0_is_closed_unless_it_asks_otherwise(start: Start) -> None:
    worker = start(HELLO)
    with worker.connect() as sock:
        sock.sendall(b"GET /hello HTTP/1.0\r\n\r\n")
        assert read_all(sock).endswith(b"\r\n\r\nHello from Epoll Server")
    with worker.connect() as sock:
        for _ in range(2):
            sock.sendall(b"GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            assert Answer(sock).fields["Connection"] == "keep-alive"


def test_connection_close_is_honoured_from_the_table_too(start: Start) -> None:
    worker = start(HELLO)
    for _ in range(2):
        with worker.connect() as sock:
            sock.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert b"Connection: close" in read_all(sock)


def test_methods(start: Start) -> None:
    worker = start(HELLO)
    refused = ask(worker, "/hello", method="DELETE")
    assert (refused.status, refused.fields["Allow"]) == (405, "GET, HEAD, OPTIONS")
    assert ask(worker, "/hello", method="BREW").status == 501
    assert ask(worker, "/hello", method="OPTIONS").fields["Allow"] == "GET, HEAD, OPTIONS"
    assert ask(worker, "*", method="OPTIONS").status == 204


def test_redirects(start: Start) -> None:
    worker = start(
        {"path": "/old", "redirect": "https://example.org/new"},
        {"path": "/tree", "redirect": "/t/", "match": "prefix", "redirect_status": 308},
    )
    answer = ask(worker, "/old")
    assert (answer.status, answer.fields["Location"]) == (302, "https://example.org/new")
    answer = ask(worker, "/tree/a%20b?c=d")
    assert (answer.status, answer.fields["Location"]) == (308, "/t/a%20b?c=d")


def test_routes_are_chosen_by_host_and_longest_path(start: Start) -> None:
    worker = start(
        {"path": "/", "text": "any"},
        {"path": "/", "host": "a.example", "text": "a"},
        {"path": "/", "host": "*.example", "text": "wild"},
        {"path": "/sub", "match": "prefix", "text": "sub"},
    )

    def body(host: str, path: str = "/") -> bytes:
        with worker.connect() as sock:
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            return Answer(sock).body

    assert [body("A.example:80"), body("b.example"), body("b.test")] == [b"a", b"wild", b"any"]
    assert [body("b.test", "/sub"), body("b.test", "/sub/x")] == [b"sub", b"sub"]
    assert b"404" in body("b.test", "/subx")


def test_files_have_types_dates_tags_and_index(start: Start, tmp_path: Path) -> None:
    write(tmp_path / "index.html", "<p>home")
    write(tmp_path / "a" / "app.mjs", "x")
    worker = start({"path": "/", "directory": str(tmp_path)})
    home = ask(worker, "/")
    assert (home.body, home.fields["Content-Type"]) == (b"<p>home", "text/html; charset=utf-8")
    assert home.fields["Last-Modified"].endswith(" GMT")
    assert ask(worker, "/a/app.mjs").fields["Content-Type"] == "text/javascript; charset=utf-8"
    moved = ask(worker, "/a?b=c")
    assert (moved.status, moved.fields["Location"]) == (301, "/a/?b=c")
    for missing in ("/a/", "/none", "/index.html/", "/a/app.mjs/x", "/" + "x" * 300):
        assert ask(worker, missing).status == 404, missing


def test_a_changed_file_is_seen_at_once(start: Start, tmp_path: Path) -> None:
    page = tmp_path / "page"
    write(page, "one")
    worker = start({"path": "/", "directory": str(tmp_path)})
    assert [ask(worker, "/page").body for _ in range(3)] == [b"one"] * 3
    write(page, "two")
    assert ask(worker, "/page").body == b"two"
    page.unlink()
    assert ask(worker, "/page").status == 404


def test_no_path_leaves_the_root(start: Start, tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(root / "in" / "file", "inside")
    write(tmp_path / "secret", "secret")
    (root / "out").symlink_to(tmp_path)
    (root / "absolute").symlink_to(tmp_path / "secret")
    (root / "relative").symlink_to("../secret")
    (root / "good").symlink_to("in/file")
    os.mkfifo(root / "fifo")
    worker = start({"path": "/", "directory": str(root)})
    assert ask(worker, "/good").body == b"inside"
    assert ask(worker, "/in/../in/./file").body == b"inside"
    for target in ("/out/secret", "/absolute", "/relative", "/fifo", "/in%2ffile/", "/.git/x"):
        assert ask(worker, target).status in (400, 404), target
    for target in ("/../secret", "/%2e%2e/secret", "/in/../../secret", "/in%00", "/..%2fsecret"):
        assert ask(worker, target).status == 400, target


def test_conditions_and_ranges(start: Start, tmp_path: Path) -> None:
    write(tmp_path / "f.txt", "0123456789")
    worker = start({"path": "/", "directory": str(tmp_path)})
    etag = ask(worker, "/f.txt").fields["ETag"]
    for _ in range(2):  # parsed, then from the table
        unchanged = ask(worker, "/f.txt", f"If-None-Match: {etag}")
        assert (unchanged.status, "Content-Length" in unchanged.fields) == (304, False)
    assert ask(worker, "/f.txt", 'If-Match: "other"').status == 412
    part = ask(worker, "/f.txt", "Range: bytes=2-4")
    assert (part.status, part.body) == (206, b"234")
    assert part.fields["Content-Range"] == "bytes 2-4/10"
    assert ask(worker, "/f.txt", "Range: bytes=10-").fields["Content-Range"] == "bytes */10"
    several = ask(worker, "/f.txt", "Range: bytes=0-1, -1")
    boundary = several.fields["Content-Type"].partition("boundary=")[2].encode()
    assert several.body.count(b"--" + boundary) == 3
    assert b"bytes 9-9/10\r\n\r\n9\r\n" in several.body
    assert ask(worker, "/f.txt", "Range: bytes=0-1", 'If-Range: "old"').status == 200


def test_large_files_are_sent_whole(start: Start, tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    (tmp_path / "big").write_bytes(content)
    worker = start({"path": "/", "directory": str(tmp_path)})
    with worker.connect() as sock:
        sock.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
        assert Answer(sock).body == content
        assert Answer(sock).body == content


def test_a_file_cut_short_while_sent_ends_the_connection(start: Start, tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.write_bytes(bytes(64_000_000))
    worker = start({"path": "/", "directory": str(tmp_path)})
    with worker.connect() as sock:
        sock.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        sock.recv(1)
        os.truncate(big, 100)
        assert len(read_all(sock)) < 64_000_000
    assert worker.await_counters(lambda c: c["truncated"] == 1)


def test_echo_gives_back_what_was_sent(start: Start) -> None:
    worker = start({"path": "/", "echo": "body"}, {"path": "/as", "echo": "request"})
    with worker.connect() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
        assert Answer(sock).body == b"hello"
        chunks = b"3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: x\r\n\r\n"
        sock.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
        assert Answer(sock).body == b"abcde"
        sock.sendall(b"GET /as?q HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n")
        assert Answer(sock).body == b"GET /as?q HTTP/1.1\nHost: x\nA: b\n\n"


def test_a_body_nobody_wants_is_read_and_forgotten(start: Start) -> None:
    with start(HELLO).connect() as sock:
        sock.sendall(b"POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        sock.sendall(bytes(100000) + GET_HELLO)
        assert Answer(sock).status == 405
        assert Answer(sock).status == 200


def test_continue_is_sent_only_where_the_body_is_wanted(start: Start) -> None:
    worker = start(HELLO, {"path": "/echo", "echo": "body"})
    expecting = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    with worker.connect() as sock:
        sock.sendall(expecting % b"/echo")
        assert Answer(sock).status == 100
        sock.sendall(b"ok")
        assert Answer(sock).body == b"ok"
    with worker.connect() as sock:
        sock.sendall(expecting % b"/hello")
        refused = Answer(sock)
        assert (refused.status, refused.fields["Connection"]) == (405, "close")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET /" + b"a" * 9000, 414),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 40000, 431),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\nx", 413),
        (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (b"\x16\x03\x01", 400),
    ],
)
def test_refusals_are_answered_then_closed(start: Start, request_bytes: bytes, status: int) -> None:
    with start(HELLO).connect() as sock:
        sock.sendall(request_bytes)
        answer = Answer(sock)
        assert (answer.status, answer.fields["Connection"]) == (status, "close")
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b""


def test_who_is_late_is_told_and_closed(start: Start) -> None:
    worker = start(HELLO, header_timeout="200ms", keepalive_timeout="200ms", body_timeout="200ms")
    with worker.connect() as sock:
        sock.sendall(b"GET / HT")
        assert Answer(sock).status == 408
    with worker.connect() as sock:
        sock.sendall(b"POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
        assert Answer(sock).status == 408
    with worker.connect() as sock:
        sock.sendall(GET_HELLO)
        assert Answer(sock).status == 200
        assert sock.recv(1) == b""
    with worker.connect() as sock:
        assert sock.recv(1) == b""


def test_a_reader_that_takes_nothing_is_cut(start: Start, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(64_000_000))
    worker = start({"path": "/", "directory": str(tmp_path)}, send_timeout="300ms")
    with worker.connect() as sock:
        sock.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        assert worker.await_counters(lambda c: c["timeouts"] == 1)["connections"] == 0


def test_limits_refuse_and_count(start: Start) -> None:
    worker = start(HELLO, max_connections=1)
    with worker.connect() as first, worker.connect() as second:
        assert second.recv(1) == b""
        first.sendall(GET_HELLO)
        assert Answer(first).status == 200
        assert worker.await_counters(lambda c: c["refused"] == 1)["connections"] == 1


def test_kept_connections_go_on_under_new_routes(start: Start) -> None:
    worker = start(HELLO)
    with worker.connect() as sock:
        for text in ("Hello from Epoll Server", "other"):
            worker.configure({"routes": [{**HELLO, "text": text}]})
            for _ in range(2):
                sock.sendall(GET_HELLO)
                assert Answer(sock).body == text.encode()


def test_the_table_is_bounded(start: Start) -> None:
    worker = start({**HELLO, "match": "prefix"}, cache_size=8000)
    for number in range(40):
        assert ask(worker, f"/hello/{number}").status == 200
    assert worker.await_counters(lambda c: c["ready_turned_away"] > 0)


def test_a_unix_socket_serves_too(start: Start, tmp_path: Path) -> None:
    worker = start(HELLO, addresses=[f"unix://{tmp_path}/http.sock"])
    assert ask(worker, "/hello").status == 200


def test_drain_without_stop_tells_kept_connections_to_close(start: Start) -> None:
    worker = start(HELLO)
    with worker.connect() as sock:
        sock.sendall(GET_HELLO)
        assert "Connection" not in Answer(sock).fields
        worker.drain()
        last = None
        while last != "close":  # the drain may reach the worker after a request
            sock.sendall(GET_HELLO)
            answer = Answer(sock)
            assert answer.status == 200
            last = answer.fields.get("Connection")
        assert sock.recv(1) == b""
    assert worker.await_exit().status == 0


def test_stop_closes_the_idle_and_finishes_the_rest(start: Start) -> None:
    worker = start(HELLO)
    with worker.connect() as idle, worker.connect() as busy:
        idle.sendall(GET_HELLO)
        Answer(idle)
        busy.sendall(b"POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n")
        worker.await_counters(lambda c: c["bytes_in"] > len(GET_HELLO))
        worker.drain(10, stopping=True)
        assert idle.recv(1) == b""
        busy.sendall(b"x")
        assert Answer(busy).fields["Connection"] == "close"
    assert worker.await_exit().status == 0


def test_what_waits_to_be_accepted_is_served_before_the_end(start: Start) -> None:
    worker = start(HELLO)
    waiting = [worker.connect() for _ in range(20)]
    for sock in waiting:
        sock.sendall(GET_HELLO)
    worker.drain(10, stopping=True)
    for sock in waiting:
        with sock:
            assert Answer(sock).status == 200
    assert worker.await_exit().status == 0


def test_the_deadline_cuts(start: Start) -> None:
    worker = start(HELLO)
    with worker.connect() as sock:
        sock.sendall(b"GET /he")
        worker.await_counters(lambda c: c["bytes_in"] > 0)
        worker.drain(0.1, stopping=True)
        assert read_all(sock) == b""
    assert worker.await_exit().status == 0


def test_probe_and_hint(start: Start) -> None:
    worker = start({"path": "/", "text": "x"})
    assert KIND.probe("web", worker.address(), 5).startswith("200 OK in ")
    assert KIND.hint(worker.address()) == f"curl http://127.0.0.1:{worker.address().port}/"


def test_check_finds_what_is_missing(tmp_path: Path) -> None:
    write(tmp_path / "file")
    routes = [
        {"path": "/a", "directory": str(tmp_path)},
        {"path": "/b", "directory": str(tmp_path / "none")},
        {"path": "/c", "directory": str(tmp_path / "file")},
        {"path": "/d", "directory": str(tmp_path), "fallback": "app", "error_pages": {404: "x"}},
    ]
    options = KIND.options.model_validate({"kind": "http", "address": LOOPBACK, "routes": routes})
    problems = KIND.check(options)
    assert [each.key for each in problems] == [
        *("routes.1.directory", "routes.2.directory"),
        *("routes.3.fallback", "routes.3.error_pages.404"),
    ]
    assert problems[0].message.endswith("does not exist")


def test_what_stands_in_for_a_missing_file(start: Start, tmp_path: Path) -> None:
    write(tmp_path / "app.html", "app")
    write(tmp_path / "404.html", "gone")
    write(tmp_path / ".secret", "no")
    directory = {"directory": str(tmp_path), "cache_control": "no-cache"}
    worker = start(
        {"path": "/", **directory, "fallback": "app.html"},
        {"path": "/e", **directory, "error_pages": {404: "404.html"}},
        {"path": "/dots", **directory, "dotfiles": True},
    )
    for target in ("/some/view", "/.secret", "/.git/config"):
        fallback = ask(worker, target)
        assert (fallback.status, fallback.body) == (200, b"app"), target
    page = ask(worker, "/e/none")
    assert (page.status, page.body, page.fields["Cache-Control"]) == (404, b"gone", "no-cache")
    assert ask(worker, "/dots/.secret").body == b"no"


def test_listing(start: Start, tmp_path: Path) -> None:
    write(tmp_path / "b.txt", "x" * 2000)
    write(tmp_path / "<a>&.txt")
    write(tmp_path / ".hidden")
    write(tmp_path / "z" / "inner")
    (tmp_path / os.fsdecode(b"bad\xff")).touch()
    worker = start({"path": "/", "directory": str(tmp_path), "listing": True})
    page = ask(worker, "/").body.decode()
    assert page.index(">z/<") < page.index("&lt;a&gt;&amp;.txt") < page.index("b.txt")
    assert 'href="./%3Ca%3E%26.txt"' in page
    assert "2.0 KiB" in page
    assert ".hidden" not in page
    assert "../" not in page
    assert 'href="../"' in ask(worker, "/z/").body.decode()
    assert ask(worker, "/bad%FF").status == 200


def test_encoded_neighbours_and_gzip(start: Start, tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "plain " * 100)
    write(tmp_path / "a.txt.gz", "gz")
    write(tmp_path / "a.txt.br", "br")
    worker = start(
        {"path": "/pre", "directory": str(tmp_path), "precompressed": True},
        {"path": "/zip", "directory": str(tmp_path), "gzip": True},
    )

    def fetch(target: str, accepted: str) -> tuple[bytes, str | None]:
        answer = ask(worker, target, f"Accept-Encoding: {accepted}")
        assert answer.fields["Vary"] == "Accept-Encoding"
        assert answer.fields["Content-Type"] == "text/plain; charset=utf-8"
        return answer.body[:5], answer.fields.get("Content-Encoding")

    for _ in range(2):
        assert fetch("/pre/a.txt", "gzip, br") == (b"br", "br")
        assert fetch("/pre/a.txt", "gzip, br;q=0.5") == (b"gz", "gzip")
        assert fetch("/pre/a.txt", "gzip;q=0") == (b"plain", None)
    (tmp_path / "a.txt.br").unlink()
    assert fetch("/pre/a.txt", "gzip, br") == (b"gz", "gzip")
    packed = ask(worker, "/zip/a.txt", "Accept-Encoding: gzip")
    assert gzip.decompress(packed.body) == b"plain " * 100
    assert packed.fields["ETag"] != ask(worker, "/zip/a.txt").fields["ETag"]
    assert ask(worker, "/zip/a.txt", "Accept-Encoding: gzip", "Range: bytes=0-4").body == b"plain"


def test_fields_are_added_by_rule(start: Start) -> None:
    worker = start({**HELLO, "headers": {"X-Frame-Options": "", "X-A": "b"}})
    fields = ask(worker, "/hello").fields
    assert (fields["X-A"], fields["X-Content-Type-Options"]) == ("b", "nosniff")
    assert "X-Frame-Options" not in fields
    assert ask(worker, "/none").fields["X-Frame-Options"] == "SAMEORIGIN"


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


def test_health(start: Start) -> None:
    assert ask(start({"path": "/healthz", "health": True}), "/healthz").body == b"ok\n"


def test_out_of_descriptors_connections_wait_and_are_served_later(start: Start) -> None:
    worker = start(HELLO)
    pid = worker.process.pid
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    highest = max(map(int, os.listdir(f"/proc/{pid}/fd")))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (highest + 3, limits[1]))
    waiting = [worker.connect() for _ in range(highest + 4)]  # numbers below may be free, too
    for sock in waiting:
        sock.sendall(GET_HELLO)
    worker.await_counters(lambda c: c["accept_failures"] > 0)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    for sock in waiting:
        with sock:
            assert Answer(sock).status == 200
