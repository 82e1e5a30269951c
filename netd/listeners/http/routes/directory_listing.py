"""A page of what is in a directory, for people."""

from __future__ import annotations

import html
import itertools
import os
import time
from typing import Final
from urllib.parse import quote

from netd.listeners.http.response.response import Response
from netd.status_text import format_size

_MAX_ENTRIES: Final = 10000
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


def list_directory(fd: int, path: str, *, dotfiles: bool) -> Response:
    """List an open directory: directories first, then files, each by name."""
    with os.scandir(fd) as entries:
        seen = (each for each in entries if dotfiles or not each.name.startswith("."))
        taken = list(itertools.islice(seen, _MAX_ENTRIES + 1))
    more = f"<p>Only {_MAX_ENTRIES} are shown.</p>\n" if len(taken) > _MAX_ENTRIES else ""
    shown = sorted(taken[:_MAX_ENTRIES], key=_place)
    rows = [_row(each) for each in shown]
    if path != "/":
        rows.insert(0, '<tr><td><a href="../">../</a><td><td>')
    page = _PAGE.format(title=_shown(path), rows="\n".join(rows), more=more)
    return Response(200, (("Content-Type", "text/html; charset=utf-8"),), (page.encode(),))


def _place(entry: os.DirEntry[str]) -> tuple[bool, str]:
    return not _is_directory(entry), entry.name.lower()


def _row(entry: os.DirEntry[str]) -> str:
    slash = "/" if _is_directory(entry) else ""
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError:
        return ""  # removed since it was listed
    size = "" if slash or entry.is_symlink() else format_size(found.st_size)
    when = _date(found.st_mtime)
    link = quote(os.fsencode(entry.name)) + slash
    return f'<tr><td><a href="./{link}">{_shown(entry.name + slash)}</a><td>{size}<td>{when}'


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a symbolic link that leads to itself, or where we may not look


def _date(modified: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.gmtime(modified))
    except (OSError, OverflowError, ValueError):
        return ""  # a file system may keep times that no calendar has


def _shown(name: str) -> str:
    return html.escape(os.fsencode(name).decode("utf-8", "replace"))
