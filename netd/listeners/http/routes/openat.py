"""Opening files so that no path leaves its root, whatever is renamed or linked meanwhile.

openat2(2) with RESOLVE_BENEATH has the kernel hold the rule while it walks: symbolic links
inside the root are followed, any step out of it is EXDEV. Python has no wrapper, so it is
called by number. Where the kernel (before 5.6) or a sandbox refuses the call, the path is
walked one component at a time and every symbolic link is refused.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
from typing import Final

from netd.runtime.errnos import UNSUPPORTED

_SYS_OPENAT2: Final = 437  # the same on every architecture
_RESOLVE: Final = 0x08 | 0x02  # RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS, linux/openat2.h
_DIRECTORY: Final = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
# O_NONBLOCK: a FIFO without a writer must not hold the worker.
_FILE: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK

# A step up through a symbolic link is not sure of its root while anything is renamed: EAGAIN.
_TRIES: Final = 20

_libc: Final = ctypes.CDLL(None, use_errno=True)


class _OpenHow(ctypes.Structure):
    """struct open_how, openat2(2)."""

    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


_HOW: Final = _OpenHow(_FILE, 0, _RESOLVE)


def open_beneath(root: str, path: str) -> int:
    """Open `path` (relative, no `..`) below the directory `root` for reading.

    OSError as open(2) raises it, or EXDEV or ELOOP for a path that would leave the root.
    """
    directory = os.open(root, _DIRECTORY)
    try:
        return (_openat2 if _has_openat2() else _walk)(directory, path or ".")
    finally:
        os.close(directory)


def _openat2(directory: int, path: str) -> int:
    number = errno.EAGAIN
    for _ in range(_TRIES):
        fd = _libc.syscall(
            _SYS_OPENAT2, directory, os.fsencode(path), ctypes.byref(_HOW), ctypes.sizeof(_HOW)
        )
        if fd >= 0:
            return int(fd)
        number = ctypes.get_errno()
        if number != errno.EAGAIN:
            break
    raise OSError(number, os.strerror(number), path)


def _walk(directory: int, path: str) -> int:
    *parents, last = path.split("/")
    held = os.dup(directory)
    try:
        for name in parents:
            below = os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=held)
            os.close(held)
            held = below
        return os.open(last, _FILE | os.O_NOFOLLOW, dir_fd=held)
    finally:
        os.close(held)


@functools.cache
def _has_openat2() -> bool:
    directory = os.open("/", _DIRECTORY)
    try:
        os.close(_openat2(directory, "."))
    except OSError as error:
        if error.errno in UNSUPPORTED:
            return False
        raise
    finally:
        os.close(directory)
    return True
