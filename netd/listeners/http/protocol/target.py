"""From a request's raw path to the segments it names, with nothing left to escape by."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from netd.errors import RemoteProtocolError

_HIDDEN: Final = re.compile(rb"[\x00-\x1f/\x7f]")


def parse_path(raw: bytes) -> str:
    """Decode a path and resolve its dots: always absolute, no `.`, no `..`, no empty segment.

    A trailing slash is kept. Bytes that are no UTF-8 come out as surrogates, as file names do.
    RemoteProtocolError 400 for a path that climbs above its root, or hides a slash or control byte.
    """
    if b"%" not in raw and b"/." not in raw and b"//" not in raw:
        return raw.decode()
    segments: list[bytes] = []
    parts = raw.split(b"/")[1:]
    for part in parts:
        segment = unquote_to_bytes(part)
        if _HIDDEN.search(segment):
            raise RemoteProtocolError("a path segment hides a slash or a control byte", 400)
        if segment == b"..":
            if not segments:
                raise RemoteProtocolError("the path climbs above its root", 400)
            segments.pop()
        elif segment not in (b"", b"."):
            segments.append(segment)
    ends_open = unquote_to_bytes(parts[-1]) in (b"", b".", b"..")
    path = b"/" + b"/".join(segments) + (b"/" if ends_open and segments else b"")
    return path.decode("utf-8", "surrogateescape")


def format_path(path: str) -> str:
    """A path that `parse_path` gave, as a URL has it."""
    return quote(path.encode("utf-8", "surrogateescape"))
