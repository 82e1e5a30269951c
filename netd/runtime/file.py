"""Files that others write while we run: telling one state of a file from another."""

from __future__ import annotations

import os

Signature = tuple[int, int, int, int, int]


def signature_of(found: os.stat_result) -> Signature:
    """What changes whenever a file is written, replaced, or made readable."""
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
