"""How a file is sent: conditions, ranges, codings and Cache-Control."""

from __future__ import annotations

import errno
import gzip
import itertools
import os
import tempfile
from pathlib import Path

import pytest

from netd.listeners.http.files.compressions import Compressions
from netd.listeners.http.files.directory import Directory
from netd.listeners.http.files.listings import Listings
from netd.listeners.http.files.representation import Served
from netd.listeners.http.protocol.event import Request
from netd.listeners.http.protocol.head import RequestLimits
from netd.listeners.http.protocol.request_reader import RequestReader
from netd.listeners.http.protocol.response import Response
from netd.listeners.http.route_options import RouteOptions
from netd.runtime.loop import Loop
from netd.runtime.poller import EpollPoller
from tests.listeners.http.http_client import Start, ask, write


def test_conditions_and_ranges(start: Start, tmp_path: Path) -> None:
    write(tmp_path / "f.txt", "0123456789")
    worker = start({"path": "/", "directory": str(tmp_path)})
    etag = ask(worker, "/f.txt").fields["ETag"]
    for _ in range(2):  # parsed, then from the cache
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


def test_precompressed_files_and_gzip(start: Start, tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "plain " * 100)
    write(tmp_path / "a.txt.gz", "gz")
    write(tmp_path / "a.txt.br", "br")
    worker = start(
        {"path": "/pre", "directory": str(tmp_path), "precompressed": True},
        {"path": "/zip", "directory": str(tmp_path), "gzip": True},
        {"path": "/both", "directory": str(tmp_path), "gzip": True, "precompressed": True},
    )
    write(tmp_path / "b.txt", "other " * 100)

    def fetch(target: str, accepted: str) -> tuple[bytes, str | None]:
        response = ask(worker, target, f"Accept-Encoding: {accepted}")
        assert response.fields["Vary"] == "Accept-Encoding"
        assert response.fields["Content-Type"] == "text/plain; charset=utf-8"
        return response.body[:5], response.fields.get("Content-Encoding")

    for _ in range(2):
        assert fetch("/pre/a.txt", "gzip, br") == (b"br", "br")
        assert fetch("/pre/a.txt", "gzip, br;q=0.5") == (b"gz", "gzip")
        assert fetch("/pre/a.txt", "gzip;q=0") == (b"plain", None)
    (tmp_path / "a.txt.br").unlink()
    assert fetch("/pre/a.txt", "gzip, br") == (b"gz", "gzip")
    packed = ask(worker, "/zip/a.txt", "Accept-Encoding: gzip")
    assert gzip.decompress(packed.body) == b"plain " * 100
    assert ask(worker, "/both/a.txt", "Accept-Encoding: gzip").body == b"gz"
    assert fetch("/both/b.txt", "gzip")[1] == "gzip"
    assert fetch("/both/b.txt", "br") == (b"other", None)
    assert packed.fields["ETag"] != ask(worker, "/zip/a.txt").fields["ETag"]
    assert ask(worker, "/zip/a.txt", "Accept-Encoding: gzip", "Range: bytes=0-4").body == b"plain"


def test_a_large_text_is_compressed_up_to_the_limit(start: Start, tmp_path: Path) -> None:
    text = "a line of text\n" * 20_000
    write(tmp_path / "index.html", text)
    worker = start({"path": "/", "directory": str(tmp_path), "gzip": True, "gzip_limit": len(text)})
    for _ in range(2):
        packed = ask(worker, "/", "Accept-Encoding: gzip")
        assert gzip.decompress(packed.body).decode() == text
        assert packed.fields["Content-Encoding"] == "gzip"
        assert packed.fields["Vary"] == "Accept-Encoding"
    head = ask(worker, "/", "Accept-Encoding: gzip", method="HEAD")
    assert head.fields["Content-Length"] == str(len(packed.body))
    tag = packed.fields["ETag"]
    assert ask(worker, "/", "Accept-Encoding: gzip", f"If-None-Match: {tag}").status == 304
    write(tmp_path / "index.html", text + "x")
    assert "Content-Encoding" not in ask(worker, "/", "Accept-Encoding: gzip").fields


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

    def fetch_control(target: str, *lines: str) -> tuple[int, str | None]:
        response = ask(worker, target, *lines)
        return response.status, response.fields.get("Cache-Control")

    assert fetch_control("/") == (200, "no-cache")
    assert fetch_control("/none") == (404, "no-cache")
    assert fetch_control("/assets/a.js") == (200, "max-age=9, immutable")
    assert fetch_control("/assets/a.js", "If-None-Match: *") == (304, "max-age=9, immutable")
    assert fetch_control("/other.txt") == (200, "max-age=1")
    assert fetch_control("/app/some/view") == (200, "no-cache")
    assert fetch_control("/app/other.txt") == (200, None)


@pytest.mark.parametrize("seconds", [0, 2**33, 2**40, 2**59])
def test_times_that_mean_nothing_are_not_sent(start: Start, seconds: int) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:  # tmpfs stores all of them
        path = Path(directory, "file")
        path.write_text("content")
        os.utime(path, (seconds, seconds))
        worker = start({"path": "/", "directory": directory, "listing": True})
        response = ask(worker, "/file")
        assert (response.body, "Last-Modified" in response.fields) == (b"content", False)
        assert b"./file" in ask(worker, "/").body


@pytest.mark.parametrize("failing", range(8))
def test_no_file_stays_open_after_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    for name in ("a.txt", "a.txt.br", "a.txt.gz"):
        write(tmp_path / name)
    root = str(tmp_path)
    options = RouteOptions(directory=root, precompressed=True)
    loop = Loop(EpollPoller())
    directory = Directory(Served(options, root, Compressions(loop)), Listings(loop))
    reader = RequestReader(RequestLimits())
    reader.receive(b"GET /a.txt HTTP/1.1\r\nHost: x\r\nAccept-Encoding: br\r\n\r\n")
    request = reader.next_event()
    assert isinstance(request, Request)
    before, calls, fstat = sorted(os.listdir("/proc/self/fd")), itertools.count(), os.fstat

    def fail_once(fd: int) -> os.stat_result:
        if next(calls) == failing:
            raise OSError(errno.EIO, "Input/output error")
        return fstat(fd)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fstat", fail_once)
        response = directory.respond(request, "/a.txt", b"")
    assert isinstance(response, Response)
    assert response.status in {200, 500}
    assert sorted(os.listdir("/proc/self/fd")) == before
