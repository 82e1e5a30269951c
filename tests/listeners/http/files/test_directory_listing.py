"""The page that lists a directory, and the same as JSON."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from netd.listeners.http.files.directory_entries import Entries, Entry, EntryType, natural_key
from netd.listeners.http.files.directory_listing import Place, format_listing
from netd.listeners.http.files.listing_query import ListingQuery, Sort, parse_listing_query
from netd.listeners.http.protocol.response import Response
from tests.listeners.http.http_client import Start, ask, write


def entries(*names: str, is_cut: bool = False) -> Entries:
    files = [
        Entry(name, EntryType.FILE, size, 1e9 - size) for size, name in enumerate(names, start=1)
    ]
    return Entries([Entry("dir", EntryType.DIRECTORY, 4096, 0.0)], files, is_cut)


def listing(of: Entries, query: bytes = b"", path: str = "/", prefix: str = "") -> str:
    slices = format_listing(of, Place(path, prefix), parse_listing_query(query))
    while True:
        try:
            next(slices)
        except StopIteration as end:
            response: Response = end.value
            [content] = response.content
            assert isinstance(content, bytes)
            return content.decode()


def names(page: str) -> list[str]:
    return re.findall("<tr><td>.*?<bdi>(.*?)</bdi>", page)


def test_listing(start: Start, tmp_path: Path) -> None:
    write(tmp_path / "b.txt", "x" * 2000)
    write(tmp_path / "<a>&.txt")
    write(tmp_path / ".hidden")
    write(tmp_path / "z" / "inner")
    (tmp_path / os.fsdecode(b"bad\xff")).touch()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "two\nlines").touch()  # a request with %0A is refused
    worker = start({"path": "/", "directory": str(tmp_path), "listing": True})
    response = ask(worker, "/")
    page = response.body.decode()
    assert names(page) == [
        *("z/", "&lt;a&gt;&amp;.txt", "b.txt", "bad\N{REPLACEMENT CHARACTER}", "loop"),
        "two\\x0alines",
    ]
    assert 'href="./%3Ca%3E%26.txt"' in page
    assert "2.0 KiB" in page
    assert "<td><bdi>two\\x0alines</bdi><td>" in page
    assert "../" not in page
    assert 'href="../"' in ask(worker, "/z/").body.decode()
    assert ask(worker, "/bad%FF").status == 200
    assert "Modified (UTC)" in page


def test_the_path_is_a_link_for_each_directory_up_to_that_of_the_route() -> None:
    page = listing(entries(), path="/files/a&b/c/", prefix="/files")
    assert re.findall('<a href="([./]+)"><bdi>(.*?)</bdi>', page) == [
        *(("../../", "/files/"), ("../", "a&amp;b/")),
    ]
    assert "<h1><bdi>c/</bdi></h1>" in page
    assert "<nav" not in listing(entries(), path="/files/", prefix="/files")


def test_numbers_in_names_are_in_the_order_of_their_values() -> None:
    ordered = ["a", "A2", "a10", "a010b", "b1.9", "b1.10", "c", f"c{10**30}", f"c{10**31}"]
    assert sorted(ordered, key=natural_key) == ordered


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (b"", "dir/ a b c"),
        (b"sort=name&order=desc", "dir/ c b a"),
        (b"sort=size&order=desc", "dir/ c b a"),
        (b"sort=time", "dir/ c b a"),
        (b"sort=nothing&page=x&order=desk&%FF", "dir/ a b c"),
        (b"filter=B", "b"),
        (b"filter=%FF", ""),
        (b"page=0", "dir/ a b c"),
        (b"page=99", "dir/ a b c"),
    ],
)
def test_the_query_selects_and_sorts(query: bytes, expected: str) -> None:
    assert names(listing(entries("a", "b", "c"), query)) == expected.split()


def test_links_of_the_headings_keep_the_filter_and_lead_to_the_first_page() -> None:
    query = ListingQuery(sort=Sort.SIZE, is_descending=True, filter="a&b <", page=3)
    assert query.sorted_by(Sort.SIZE).format() == "?sort=size&order=asc&filter=a%26b+%3C"
    assert query.sorted_by(Sort.TIME).format() == "?sort=time&order=desc&filter=a%26b+%3C"
    assert parse_listing_query(query.format()[1:].encode()) == query
    page = listing(entries(), b"sort=size&order=desc")
    assert '<th scope="col" aria-sort="descending"><a href="?sort=size&amp;order=asc" rel=' in page
    assert '<th scope="col"><a href="?" rel="nofollow">Name' in page


def test_a_filter_that_a_client_sends_is_text() -> None:
    page = listing(entries("x"), b"filter=%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
    assert "<script>alert" not in page
    assert "0 of 2 names" in page


def test_a_long_listing_has_pages() -> None:
    many = entries(*(f"{number}" for number in range(2500)))
    page = listing(many, b"filter=&page=2&sort=name&order=asc")
    assert names(page) == [str(number) for number in range(999, 1999)]
    assert "2,501 names, 1,001 to 2,000 on this page" in page
    assert '<a href="?" rel="prev">' in page
    assert '<a href="?page=3" rel="next">' in page
    last = listing(many, b"page=3")
    assert len(names(last)) == 501
    assert 'rel="next"' not in last


def test_json_is_in_the_format_of_nginx(start: Start, tmp_path: Path) -> None:
    write(tmp_path / "two", "22")
    write(tmp_path / "d" / "inner")
    (tmp_path / "link").symlink_to("two")
    os.utime(tmp_path / "two", (1e9, 1e9))
    worker = start({"path": "/", "directory": str(tmp_path), "listing": True})
    response = ask(worker, "/?format=json")
    assert response.fields["Content-Type"] == "application/json"
    directory, link, file = json.loads(response.body)
    assert (directory["name"], directory["type"]) == ("d", "directory")
    assert (link["type"], "size" in link) == ("other", False)
    assert (file["name"], file["type"], file["size"]) == ("two", "file", 2)
    assert file["mtime"] == "Sun, 09 Sep 2001 01:46:40 GMT"
    assert file.keys() == {"name", "type", "mtime", "size"}
    assert json.loads(listing(entries(*"ab"), b"format=json&filter=b"))[0]["size"] == 2


def test_a_directory_with_more_names_than_the_limit(start: Start, tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"{number}").touch()
    route = {"path": "/", "directory": str(tmp_path), "listing": True, "listing_limit": 3}
    worker = start(route)
    page = ask(worker, "/").body.decode()
    assert len(names(page)) == 3
    assert "The first 3 names that were found; there are more" in page
    assert worker.await_counters(lambda c: c["listings_cut"] == 1)


def test_times_that_no_calendar_has_are_left_out() -> None:
    strange = Entries([], [Entry("x", EntryType.FILE, 1, 1e18)], is_cut=False)
    assert names(listing(strange)) == ["x"]
    assert json.loads(listing(strange, b"format=json"))[0]["mtime"] == ""


def test_an_empty_directory_says_so() -> None:
    assert "This directory is empty" in listing(Entries([], [], is_cut=False))


def test_characters_that_reorder_a_name_are_shown_by_their_codes() -> None:
    page = listing(entries("\u202egpj.exe"))
    assert names(page)[1:] == ["\\u202egpj.exe"]
    assert 'href="./%E2%80%AEgpj.exe"' in page
