"""The media type of a file, by the suffix of its name."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from typing import Final

_ADDED: Final = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".json": "application/json",
    ".map": "application/json",
    ".webmanifest": "application/manifest+json",
    ".md": "text/markdown",
    ".wasm": "application/wasm",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".jxl": "image/jxl",
    ".svg": "image/svg+xml",
    ".ico": "image/x-icon",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".ttf": "font/ttf",
    ".otf": "font/otf",
    ".opus": "audio/ogg",
    ".flac": "audio/flac",
    ".m4a": "audio/mp4",
    ".webm": "video/webm",
    ".mkv": "video/matroska",
    ".toml": "application/toml",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".log": "text/plain",
    ".gz": "application/gzip",
    ".zst": "application/zstd",
    ".7z": "application/x-7z-compressed",
}
_TYPES: Final = {**mimetypes.MimeTypes(filenames=()).types_map[True], **_ADDED}
_TEXT_LIKE: Final = frozenset({"application/json", "application/manifest+json", "image/svg+xml"})


def content_type(name: str, own: Mapping[str, str] | None = None) -> str:
    """Return the media type for a file name, with a charset if it is text.

    `own` are types by suffix, which come before the known ones and are used as they are.
    """
    _, dot, suffix = name.rpartition(".")
    if own and dot and f".{suffix.lower()}" in own:
        return own[f".{suffix.lower()}"]
    media_type = _TYPES.get(f".{suffix.lower()}", "") if dot else ""
    if not media_type:
        return "application/octet-stream"
    return f"{media_type}; charset=utf-8" if is_text(media_type) else media_type


def is_text(media_type: str) -> bool:
    """Whether a media type is text or like text, so that a charset and compression make sense."""
    essence = media_type.partition(";")[0]
    return essence.startswith("text/") or essence in _TEXT_LIKE
