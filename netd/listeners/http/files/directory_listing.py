"""A listing of a directory as a page and as JSON, made in slices: a large one takes long."""

from __future__ import annotations

import functools
import html
import itertools
import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from netd.listeners.http.files.directory_entries import SLICE, Entries, Entry, EntryType
from netd.listeners.http.files.listing_query import ListingQuery, Sort
from netd.listeners.http.files.sliced_responses import Slices
from netd.listeners.http.pages import (
    ICON_LINK,
    STYLE,
    format_document,
    format_policy,
    minify_style,
    read_beside,
)
from netd.listeners.http.protocol.date import format_date
from netd.listeners.http.protocol.response import Fields, Response
from netd.status_text import format_size

_PAGE_ENTRIES: Final = 1000
_FEW: Final = 10  # entries that need no filter
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")  # no request may name such a file
# Characters that are shown by their codes: controls, and those that reorder what is shown.
_HIDDEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_MAX_BYTE: Final = 0xFF
_PLAIN: Final = re.compile(r"[A-Za-z0-9._~-]+")  # the same in a URL, in HTML and as a name
_STYLE: Final = STYLE + minify_style(read_beside(__name__, "listing.css"))
_SCRIPT: Final = read_beside(__name__, "listing.js")
_HEADINGS: Final = {Sort.NAME: "Name", Sort.SIZE: "Size", Sort.TIME: "Modified (UTC)"}
_ALTERNATE: Final = '<link rel="alternate" type="application/json" href="?format=json">\n'


@dataclass(frozen=True, slots=True)
class Place:
    """The path of a directory, and the path of the route that it is below, without a slash."""

    path: str
    prefix: str


def format_listing(entries: Entries, place: Place, query: ListingQuery) -> Slices:
    """Format the entries that the query selects; does a slice at a time, returns the response."""
    selected = query.select(entries)
    if query.is_json:
        return (yield from _format_json(selected))
    return (yield from _format_page(entries, selected, place, query))


def _format_json(selected: list[Entry]) -> Slices:
    """Format as nginx does with `autoindex_format json`."""
    rows = []
    for start in range(0, len(selected), SLICE):
        if start:
            yield
        rows += [json.dumps(_describe(entry)) for entry in selected[start : start + SLICE]]
    content = "[\n" + ",\n".join(rows) + "\n]\n"
    return Response(200, (("Content-Type", "application/json"),), (content.encode(),))


def _describe(entry: Entry) -> dict[str, Any]:
    described: dict[str, Any] = {"name": _decode(entry.name), "type": entry.type.value}
    try:
        described["mtime"] = format_date(int(entry.modified))
    except (OSError, OverflowError, ValueError):
        described["mtime"] = ""  # file systems can store times that no calendar has
    if entry.type is EntryType.FILE:
        described["size"] = entry.size
    return described


def _format_page(
    entries: Entries, selected: list[Entry], place: Place, query: ListingQuery
) -> Slices:
    pages = max(1, -(-len(selected) // _PAGE_ENTRIES))
    query = query.on_page(min(query.page, pages))
    start = (query.page - 1) * _PAGE_ENTRIES
    shown = selected[start : start + _PAGE_ENTRIES]
    rows: list[str] = []
    for first in range(0, len(shown), SLICE):
        if first:
            yield
        rows += map(_row, shown[first : first + SLICE])
    parts = itertools.chain(
        _header(place),
        ["<main>"],
        _filter(entries, query),
        [_count(entries, len(selected), start, len(shown))],
        _table(rows, query) if rows else (),
        _pages(query, pages),
        ["</main>"],
        # The script filters the rows of a page that has all of them.
        [f"<script>{_SCRIPT}</script>"] if entries.count == len(shown) > _FEW else (),
    )
    body = "\n".join(parts) + "\n"
    title = _escape(place.path)
    page = format_document(title, body, style=_STYLE, head=ICON_LINK + _ALTERNATE)
    return Response(200, _page_fields(), (page.encode(),))


@functools.cache
def _page_fields() -> Fields:
    policy = format_policy(_STYLE, _SCRIPT, "img-src data:", "form-action 'self'")
    return ("Content-Type", "text/html; charset=utf-8"), ("Content-Security-Policy", policy)


def _header(place: Place) -> Iterator[str]:
    """Make the heading: the path, with a link for each directory above."""
    first, *rest = f"{place.prefix}/", *place.path[len(place.prefix) + 1 :].split("/")[:-1]
    *parents, last = first, *(f"{name}/" for name in rest)
    yield "<header>"
    if parents:
        links = (
            f'<a href="{"../" * (len(parents) - depth)}"><bdi>{_escape(name)}</bdi></a>'
            for depth, name in enumerate(parents)
        )
        yield f'<nav aria-label="Directories above">{"".join(links)}</nav>'
    yield f"<h1><bdi>{_escape(last)}</bdi></h1>"
    yield "</header>"


def _filter(entries: Entries, query: ListingQuery) -> Iterator[str]:
    """Make the form, which works without the script."""
    if entries.count > _FEW or query.filter:
        value = html.escape(_decode(query.filter))
        yield '<form role="search">'
        yield (
            f'<input type="search" name="filter" value="{value}" placeholder="Part of a name" '
            'aria-label="Part of a name">'
        )
        if query.sort is not Sort.NAME or query.is_descending:
            order = "desc" if query.is_descending else "asc"
            yield f'<input type="hidden" name="sort" value="{query.sort.value}">'
            yield f'<input type="hidden" name="order" value="{order}">'
        yield "<button>Filter</button>"
        yield "</form>"


def _count(entries: Entries, selected: int, start: int, shown: int) -> str:
    """Make the line that says how many names there are."""
    text = "1 name" if entries.count == 1 else f"{entries.count:,} names"
    if not entries.count:
        text = "This directory is empty"
    if entries.is_cut:
        text = f"The first {text} that were found; there are more"
    if selected != entries.count:
        text = f"{selected:,} of {text}"
    if shown != selected:
        text += f", {start + 1:,} to {start + shown:,} on this page"
    return f'<p id="count" role="status">{text}</p>'


def _table(rows: list[str], query: ListingQuery) -> Iterator[str]:
    yield f"<table><thead><tr>{_headings(query.on_page(1))}</thead>"
    yield "<tbody>"
    yield from rows
    yield "</tbody></table>"


@functools.lru_cache(maxsize=64)
def _headings(query: ListingQuery) -> str:
    return "".join(_heading(sort, query) for sort in Sort)


def _heading(sort: Sort, query: ListingQuery) -> str:
    order = "descending" if query.is_descending else "ascending"
    state = f' aria-sort="{order}"' if sort is query.sort else ""
    link = html.escape(query.sorted_by(sort).format())
    return f'<th scope="col"{state}><a href="{link}" rel="nofollow">{_HEADINGS[sort]}</a>'


def _pages(query: ListingQuery, pages: int) -> Iterator[str]:
    """Make the links to the pages before and after this one."""
    if pages > 1:
        yield '<nav class="pages" aria-label="Pages">'
        if query.page > 1:
            link = html.escape(query.on_page(query.page - 1).format())
            yield f'<a href="{link}" rel="prev">Previous</a>'
        yield f"<span>Page {query.page} of {pages}</span>"
        if query.page < pages:
            link = html.escape(query.on_page(query.page + 1).format())
            yield f'<a href="{link}" rel="next">Next</a>'
        yield "</nav>"


def _row(entry: Entry) -> str:
    slash = "/" if entry.type is EntryType.DIRECTORY else ""
    size = format_size(entry.size) if entry.type is EntryType.FILE else ""
    return f"<tr><td>{_name(entry.name, slash)}<td>{size}<td>{_date(entry.modified)}"


def _name(name: str, slash: str) -> str:
    if _PLAIN.fullmatch(name):
        return f'<a href="./{name}{slash}"><bdi>{name}{slash}</bdi></a>'
    shown = f"<bdi>{_escape(name)}{slash}</bdi>"
    if _CONTROL.search(name):
        return shown
    return f'<a href="./{quote(os.fsencode(name))}{slash}">{shown}</a>'


def _date(modified: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.gmtime(modified))
    except (OSError, OverflowError, ValueError):
        return ""  # file systems can store times that no calendar has


def _decode(name: str) -> str:
    """Replace bytes that are not UTF-8 by the replacement character."""
    return os.fsencode(name).decode("utf-8", "replace")


def _escape(name: str) -> str:
    return html.escape(_HIDDEN.sub(_code, _decode(name)))


def _code(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code <= _MAX_BYTE else f"\\u{code:04x}"
