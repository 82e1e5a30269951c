"""Responses that are cached: when they are used, and when they are made again."""

from __future__ import annotations

import time
from pathlib import Path

from tests.listeners.http.http_client import HELLO, Start, ask, write


def test_a_changed_file_is_served_at_once(start: Start, tmp_path: Path) -> None:
    page = tmp_path / "page"
    write(page, "one")
    worker = start({"path": "/", "directory": str(tmp_path)})
    assert [ask(worker, "/page").body for _ in range(3)] == [b"one"] * 3
    write(page, "two")
    assert ask(worker, "/page").body == b"two"
    page.unlink()
    assert ask(worker, "/page").status == 404


def test_files_beyond_the_share_for_contents_are_read_each_time(
    start: Start, tmp_path: Path
) -> None:
    contents = {f"/{number}": str(number) * 1000 for number in range(10)}
    for target, content in contents.items():
        write(tmp_path / target[1:], content)
    worker = start({"path": "/", "directory": str(tmp_path)}, cache_size=18_000)
    settled = time.time() + 0.5  # from then on responses are cached
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


def test_a_cached_fallback_gives_way_to_a_new_file(start: Start, tmp_path: Path) -> None:
    write(tmp_path / "app.html", "app")
    write(tmp_path / "a" / "index.htm", "old")
    settled = time.time() + 0.5  # from then on responses are cached
    files = {"directory": str(tmp_path), "index": ["index.html", "index.htm"]}
    worker = start({"path": "/", **files, "fallback": "app.html"})
    while time.time() < settled:
        ask(worker, "/none")
    for target, body in (("/new", b"app"), ("/a/", b"old"), ("/.new", b"app")):
        for _ in range(2):
            assert ask(worker, target).body == body
    assert worker.await_counters(lambda c: c["cache_hits"] >= 3)
    for name in ("new", "a/index.html", ".new"):
        write(tmp_path / name, "new")
    bodies = [ask(worker, target).body for target in ("/new", "/a/", "/.new")]
    assert bodies == [b"new", b"new", b"app"]


def test_the_cache_is_bounded(start: Start) -> None:
    worker = start({**HELLO, "match": "prefix"}, cache_size=8000)
    for number in range(40):
        assert ask(worker, f"/hello/{number}").status == 200
    assert worker.await_counters(lambda c: c["cache_rejected"] > 0)
