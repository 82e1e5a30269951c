"""The URI of a database file."""

from __future__ import annotations


def path_uri(path: str, mode: str) -> str:
    """The URI by which SQLite opens a file that exists: `mode` is "ro" or "rw"."""
    for char in "%?#":
        path = path.replace(char, f"%{ord(char):02x}")
    return f"file:{path}?mode={mode}"
