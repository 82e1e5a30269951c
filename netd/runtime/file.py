"""Files of others and of ours: telling one state of a file from another, and what is in the way."""

from __future__ import annotations

import os

Signature = tuple[int, int, int, int, int]


def signature_of(found: os.stat_result) -> Signature:
    """What changes whenever a file is written, replaced, or made readable."""
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def obstacle(path: str) -> str:
    """Why a file could not be made or written to, empty where it could."""
    directory = os.path.dirname(path) or os.curdir
    if not os.path.isdir(directory):
        return f"there is no directory {directory}"
    if os.path.isdir(path):
        return f"{path} is a directory"
    is_writable = os.access(path if os.path.exists(path) else directory, os.W_OK)
    return "" if is_writable else f"{path} cannot be written"
