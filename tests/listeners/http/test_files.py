"""Files and directories, over HTTP."""

from __future__ import annotations

import gzip
import os
import time
from pathlib import Path

from tests.listeners.http.http_client import Response, Start, ask, write
from tests.support import read_all


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


def test_files_beyond_the_tables_share_for_contents_are_read_each_time(
    start: Start, tmp_path: Path
) -> None:
    contents = {f"/{number}": str(number) * 1000 for number in range(10)}
    for target, content in contents.items():
        write(tmp_path / target[1:], content)
    worker = start({"path": "/", "directory": str(tmp_path)}, cache_size=18_000)
    settled = time.time() + 0.5  # from then on answers may be kept
    while time.time() < settled:
        ask(worker, "/none")
    for _ in range(3):
        for target, content in contents.items():
            assert ask(worker, target).body == content.encode()
    assert ask(worker, "/9", method="HEAD").fields["Content-Length"] == "1000"
    assert worker.await_counters(lambda c: c["cache_hits"] == 20)
    write(tmp_path / "9", "changed")
    (tmp_path / "8").unlink()
    assert ask(worker, "/9").body == b"changed"
    assert ask(worker, "/8").status == 404


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
    assert ask(worker, "/f.txt", "Range: bytes=2-4", method="HEAD").status == 200


def test_large_files_are_sent_whole(start: Start, tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    (tmp_path / "big").write_bytes(content)
    worker = start({"path": "/", "directory": str(tmp_path)})
    with worker.connect() as sock:
        sock.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
        assert Response(sock).body == content
        assert Response(sock).body == content


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
    (tmp_path / "loop").symlink_to("loop")
    worker = start({"path": "/", "directory": str(tmp_path), "listing": True})
    page = ask(worker, "/").body.decode()
    assert page.index(">z/<") < page.index("&lt;a&gt;&amp;.txt") < page.index("b.txt")
    assert 'href="./%3Ca%3E%26.txt"' in page
    assert "2.0 KiB" in page
    assert ">loop<" in page
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


def test_cache_control_by_file(start: Start, tmp_path: Path) -> None:
    for name in ("index.html", "404.html", "assets/a.js", "other.txt"):
        write(tmp_path / name)
    rules = {"*.html": "no-cache", "/assets/*": "max-age=9, immutable"}
    worker = start(
        {
            "path": "/",
            "directory": str(tmp_path),
            "error_pages": {404: "404.html"},
            "cache_rules": rules,
            "cache_control": "max-age=1",
        },
        {
            "path": "/app",
            "directory": str(tmp_path),
            "fallback": "index.html",
            "cache_rules": rules,
        },
    )

    def told(target: str, *lines: str) -> tuple[int, str | None]:
        answer = ask(worker, target, *lines)
        return answer.status, answer.fields.get("Cache-Control")

    assert told("/") == (200, "no-cache")
    assert told("/none") == (404, "no-cache")
    assert told("/assets/a.js") == (200, "max-age=9, immutable")
    assert told("/assets/a.js", "If-None-Match: *") == (304, "max-age=9, immutable")
    assert told("/other.txt") == (200, "max-age=1")
    assert told("/app/some/view") == (200, "no-cache")
    assert told("/app/other.txt") == (200, None)
