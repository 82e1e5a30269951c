"""Opens files below a root directory, and no others, even while files are renamed or linked.

With RESOLVE_BENEATH of openat2(2) the kernel ensures this while it resolves the path: symbolic
links inside the root are followed, and a step out of the root fails with EXDEV. Python has no
wrapper, so the system call is made by number. If the kernel (before 5.6) or a sandbox refuses
the call, the path is opened one component at a time and every symbolic link is refused.
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
_DIRECTORY_FLAGS: Final = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
# O_NONBLOCK: a FIFO without a writer must not block the worker.
_FILE_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
_MAX_TRIES: Final = 20  # a link with `..` fails with EAGAIN while another process renames files

_libc: Final = ctypes.CDLL(None, use_errno=True)


class _OpenHow(ctypes.Structure):
    """struct open_how, openat2(2)."""

    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


_HOW: Final = _OpenHow(_FILE_FLAGS, 0, _RESOLVE)


def open_beneath(root: str, path: str) -> int:
    """Open `path` (relative, without `..`) below the directory `root` for reading.

    Raises OSError as open(2), with EXDEV or ELOOP for a path that would leave the root.
    """
    directory = os.open(root, _DIRECTORY_FLAGS)
    try:
        if not _has_openat2():
            return _walk(directory, path or ".")
        try:
            return _openat2(directory, path or ".")
        except OSError as error:
            inside = _resolve_inside(root, path) if error.errno == errno.EXDEV else None
            if inside is None:
                raise
        return _openat2(directory, inside)
    finally:
        os.close(directory)


def _resolve_inside(root: str, path: str) -> str | None:
    """The path without links, relative to the root; None if it leads out of the root.

    The kernel refuses every absolute link, also one that leads to a file below the root.
    """
    top = os.path.realpath(root)
    target = os.path.realpath(os.path.join(top, path))
    return os.path.relpath(target, top) if target.startswith(f"{top.rstrip('/')}/") else None


def stat_or_close(fd: int) -> os.stat_result:
    """Return fstat(2) of an open file; closes it if that fails. Raises OSError."""
    try:
        return os.fstat(fd)
    except OSError:
        os.close(fd)
        raise


def _openat2(directory: int, path: str) -> int:
    error = errno.EAGAIN
    for _ in range(_MAX_TRIES):
        fd = _libc.syscall(
            _SYS_OPENAT2, directory, os.fsencode(path), ctypes.byref(_HOW), ctypes.sizeof(_HOW)
        )
        if fd >= 0:
            return int(fd)
        error = ctypes.get_errno()
        if error != errno.EAGAIN:
            break
    raise OSError(error, os.strerror(error), path)


def _walk(directory: int, path: str) -> int:
    *parents, last = path.split("/")
    parent = os.dup(directory)
    try:
        for name in parents:
            child = os.open(name, _DIRECTORY_FLAGS | os.O_NOFOLLOW, dir_fd=parent)
            os.close(parent)
            parent = child
        return os.open(last, _FILE_FLAGS | os.O_NOFOLLOW, dir_fd=parent)
    finally:
        os.close(parent)


@functools.cache
def _has_openat2() -> bool:
    directory = os.open("/", _DIRECTORY_FLAGS)
    try:
        os.close(_openat2(directory, "."))
    except OSError as error:
        if error.errno in UNSUPPORTED:
            return False
        raise
    finally:
        os.close(directory)
    return True
