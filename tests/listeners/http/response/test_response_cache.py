"""Responses that are cached: when they are used, and when they are made again."""

from __future__ import annotations

import time
from pathlib import Path

from netd.listeners.http.protocol.response import FileStamp
from netd.listeners.http.response.response_cache import (
    CachedResponse,
    ResponseCache,
    is_current,
    read_current,
)
from netd.runtime.watched_files import signature_of
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


def cached(content: bytes) -> CachedResponse:
    head = b"HTTP/1.1 200 OK\r\nDate: then\r\n\r\n"
    return CachedResponse(head + content, 200, len(head), close=False, date_at=17)


def test_a_full_cache_takes_nothing_until_it_makes_room() -> None:
    cache = ResponseCache(8 * 2000)
    heads = [b"%d" % number for number in range(40)]
    for head in heads:
        cache.store(head, cached(bytes(500)))
    kept = list(cache.entries)
    assert kept == heads[: len(kept)]
    assert cache.rejected == 40 - len(kept) > 0
    cache.make_room()
    assert list(cache.entries) == kept[len(kept) // 4 + 1 :]
    cache.make_room()  # nothing was rejected meanwhile
    cache.store(b"new", cached(bytes(500)))
    assert list(cache.entries) == [*kept[len(kept) // 4 + 1 :], b"new"]


def test_beyond_the_share_for_contents_only_heads_are_cached() -> None:
    cache, source = ResponseCache(8 * 3000), FileStamp("/file", None)
    for number in range(20):
        cache.store(b"%d" % number, cached(bytes(1000)), source)
    whole = [entry.source is None for entry in cache.entries.values()]
    assert whole == sorted(whole, reverse=True)
    assert 0 < sum(whole) < len(whole)
    head = cache.entries[b"%d" % (len(whole) - 1)]
    assert head.wire.endswith(b"\r\n\r\n")
    assert head.with_content(bytes(1000)).wire == cached(bytes(1000)).wire


def test_no_entry_takes_more_than_an_eighth_of_the_cache() -> None:
    cache = ResponseCache(8 * 2000)
    cache.store(b"large", cached(bytes(2000)))
    assert (cache.entries, cache.rejected) == ({}, 0)


def test_the_date_is_replaced() -> None:
    response = cached(b"content")
    response.set_date(5, b"Date: now!\r\n")
    assert response.wire == b"HTTP/1.1 200 OK\r\nDate: now!\r\n\r\ncontent"
    assert response.second == 5


def test_a_stamp_holds_until_the_file_changes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("one")
    present = FileStamp(str(path), signature_of(path.stat()))
    missing = FileStamp(str(tmp_path / "none"), None)
    assert is_current(present)
    assert is_current(missing)
    assert (read_current(present), read_current(missing)) == (b"one", None)
    path.write_text("other")
    (tmp_path / "none").touch()
    assert not is_current(present)
    assert not is_current(missing)
    assert read_current(present) is None
