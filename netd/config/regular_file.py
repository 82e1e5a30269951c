"""Reads small regular files, and refuses a FIFO, a device or an endless file."""

from __future__ import annotations

import errno
import os
import stat
from typing import Final

MAX_BYTES: Final = 2**20
"""The maximum size of a configuration file, and of a file of accounts or operators."""


def read_regular_file(path: str) -> bytes:
    """Return the content of a file.

    Raises OSError; also if the file is not a regular file (EINVAL) or is larger than MAX_BYTES
    (EFBIG).
    """
    with open(path, "rb", opener=_open) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "Is not a regular file", path)
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise OSError(errno.EFBIG, f"Has more than {MAX_BYTES} bytes", path)
    return content


def _open(path: str, flags: int) -> int:
    """Open with O_NONBLOCK: otherwise open(2) waits for the writer of a FIFO (fifo(7))."""
    return os.open(path, flags | os.O_NONBLOCK)
