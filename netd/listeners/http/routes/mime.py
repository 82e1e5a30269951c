"""What a file is, by its name."""

from __future__ import annotations

import mimetypes
from typing import Final

_MODERN: Final = {
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
_TYPES: Final = {**mimetypes.MimeTypes(filenames=()).types_map[True], **_MODERN}
_TEXT_LIKE: Final = frozenset({"application/json", "application/manifest+json", "image/svg+xml"})


def content_type(name: str) -> str:
    """The media type of a file of this name, with its charset where it is text."""
    _, dot, suffix = name.rpartition(".")
    found = _TYPES.get(f".{suffix.lower()}", "") if dot else ""
    if not found:
        return "application/octet-stream"
    return f"{found}; charset=utf-8" if is_text(found) else found


def is_text(media_type: str) -> bool:
    """Whether a type is text, of whatever kind: worth a charset, worth compressing."""
    bare = media_type.partition(";")[0]
    return bare.startswith("text/") or bare in _TEXT_LIKE
