"""The page that lists a directory."""

from __future__ import annotations

import html
import itertools
import os
import time
from typing import Final
from urllib.parse import quote

from netd.listeners.http.protocol.response import Response
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
    """List an open directory: directories first, then files, both sorted by name."""
    with os.scandir(fd) as entries:
        visible = (entry for entry in entries if dotfiles or not entry.name.startswith("."))
        first = list(itertools.islice(visible, _MAX_ENTRIES + 1))
    more = f"<p>Only {_MAX_ENTRIES} are shown.</p>\n" if len(first) > _MAX_ENTRIES else ""
    rows = [_row(entry) for entry in sorted(first[:_MAX_ENTRIES], key=_sort_key)]
    if path != "/":
        rows.insert(0, '<tr><td><a href="../">../</a><td><td>')
    page = _PAGE.format(title=_display(path), rows="\n".join(rows), more=more)
    return Response(200, (("Content-Type", "text/html; charset=utf-8"),), (page.encode(),))


def _sort_key(entry: os.DirEntry[str]) -> tuple[bool, str]:
    return not _is_directory(entry), entry.name.lower()


def _row(entry: os.DirEntry[str]) -> str:
    slash = "/" if _is_directory(entry) else ""
    try:
        info = entry.stat(follow_symlinks=False)
    except OSError:
        return ""  # removed meanwhile
    size = "" if slash or entry.is_symlink() else format_size(info.st_size)
    when = _date(info.st_mtime)
    link = quote(os.fsencode(entry.name)) + slash
    return f'<tr><td><a href="./{link}">{_display(entry.name + slash)}</a><td>{size}<td>{when}'


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
    return html.escape(os.fsencode(name).decode("utf-8", "replace"))
