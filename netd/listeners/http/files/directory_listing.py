"""The page that lists a directory, made in slices: a large one takes long."""

from __future__ import annotations

import html
import itertools
import os
import re
import time
from collections.abc import Generator
from typing import Final
from urllib.parse import quote

from netd.listeners.http.protocol.response import Response
from netd.status_text import format_size

_MAX_ENTRIES: Final = 10000
_SLICE: Final = 200  # entries; they take about 2 ms
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")  # no request may name such a file
_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
body {{ font: 1rem/1.6 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem }}
body {{ padding: 0 1rem }}
h1 {{ font-size: 1.4rem; overflow-wrap: anywhere }}
table {{ border-collapse: collapse; width: 100% }}
td, th {{ border-bottom: 1px solid #8884; padding: .2rem .6rem; text-align: left }}
td:first-child {{ overflow-wrap: anywhere; width: 60% }}
td:nth-child(2), th:nth-child(2) {{ text-align: right; white-space: nowrap }}
td:last-child {{ font-variant-numeric: tabular-nums; white-space: nowrap }}
tbody tr:hover {{ background: #8881 }}
@media (max-width: 34rem) {{ td:last-child, th:last-child {{ display: none }} }}
</style>
<h1>{title}</h1>
<table>
<thead><tr><th scope="col">Name<th scope="col">Size<th scope="col">Changed</thead>
<tbody>
{rows}
</tbody>
</table>
{more}"""


_Entry = tuple[bool, str, str, "os.DirEntry[str]"]
"""A directory entry after its sort keys: whether it is a file, its name in lower case, its name."""


def list_directory(fd: int, path: str, *, dotfiles: bool) -> Generator[None, None, Response]:
    """List an open directory: directories first, then files, both sorted by name.

    The generator does a slice of the work at a time, and returns the response. Raises OSError.
    """
    found = yield from _read(fd, dotfiles=dotfiles)
    more = f"<p>Only {_MAX_ENTRIES} are shown.</p>\n" if len(found) > _MAX_ENTRIES else ""
    found = sorted(found[:_MAX_ENTRIES])
    rows = [] if path == "/" else ['<tr><td><a href="../">../</a><td><td>']
    for start in range(0, len(found), _SLICE):
        if start:
            yield
        rows += [_row(entry) for *_, entry in found[start : start + _SLICE]]
    page = _PAGE.format(title=_display(path), rows="\n".join(rows), more=more)
    return Response(200, (("Content-Type", "text/html; charset=utf-8"),), (page.encode(),))


def _read(fd: int, *, dotfiles: bool) -> Generator[None, None, list[_Entry]]:
    """Read the entries to show, and one more if there are too many."""
    found: list[_Entry] = []
    with os.scandir(fd) as entries:
        while len(found) <= _MAX_ENTRIES:
            part = list(itertools.islice(entries, _SLICE))
            found += [
                (not _is_directory(entry), entry.name.lower(), entry.name, entry)
                for entry in part
                if dotfiles or not entry.name.startswith(".")
            ]
            if len(part) < _SLICE:
                break
            yield
    return found


def _row(entry: os.DirEntry[str]) -> str:
    slash = "/" if _is_directory(entry) else ""
    try:
        info = entry.stat(follow_symlinks=False)
    except OSError:
        return ""  # removed meanwhile
    size = "" if slash or entry.is_symlink() else format_size(info.st_size)
    when = _date(info.st_mtime)
    shown = _display(entry.name + slash)
    if not _CONTROL.search(entry.name):
        shown = f'<a href="./{quote(os.fsencode(entry.name))}{slash}">{shown}</a>'
    return f"<tr><td>{shown}<td>{size}<td>{when}"


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a symbolic link to itself, or into a directory without permission


def _date(modified: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.gmtime(modified))
    except (OSError, OverflowError, ValueError):
        return ""  # file systems can store times that no calendar has


def _display(name: str) -> str:
    text = os.fsencode(name).decode("utf-8", "replace")
    return html.escape(_CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text))
