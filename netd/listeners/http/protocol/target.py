"""Decodes the path of a request target so that it cannot leave its root."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from netd.errors import RemoteProtocolError

_HIDDEN: Final = re.compile(rb"[\x00-\x1f/\x7f]")


def parse_path(raw: bytes) -> str:
    """Decode a path: absolute, without `.`, `..` and empty segments; a trailing slash is kept.

    Bytes that are not UTF-8 become surrogates, as in file names (PEP 383). Raises
    RemoteProtocolError (400) if the path leaves its root or has an escaped slash or control byte.
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
    is_directory = unquote_to_bytes(parts[-1]) in (b"", b".", b"..")
    path = b"/" + b"/".join(segments) + (b"/" if is_directory and segments else b"")
    return path.decode("utf-8", "surrogateescape")


def format_path(path: str) -> str:
    """Encode a path that `parse_path` returned, for a URL."""
    return quote(path.encode("utf-8", "surrogateescape"))
