"""Writes files whole: a reader of the path finds the old content or the new one, never a part."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from typing import BinaryIO


@contextlib.contextmanager
def replace_file(path: str, *, mode: int = 0o666, is_lasting: bool = False) -> Iterator[BinaryIO]:
    """Open a new file, which takes the place of the one at `path` when all is written.

    An exception removes it instead. `mode` is reduced by the umask, as in open(2). A file that
    `is_lasting` outlasts a loss of power. Raises OSError, also if `path` is a device, a symbolic
    link or the like: root would replace /dev/null for all programs.
    """
    _refuse_special_file(path)
    # The random part keeps other users from predicting the name in a shared directory.
    temporary = f"{path}.{os.urandom(6).hex()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with open(descriptor, "wb") as file:
            yield file
            if is_lasting:
                file.flush()
                os.fsync(descriptor)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    if is_lasting:
        _sync_directory(os.path.dirname(path) or os.curdir)


def _refuse_special_file(path: str) -> None:
    """Raise OSError if a file at the path is not a regular one; rename(2) refuses directories."""
    with contextlib.suppress(FileNotFoundError):
        mode = os.lstat(path).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise OSError(errno.EINVAL, "exists, and is not a regular file")


def _sync_directory(path: str) -> None:
    """Write a directory to the disk, so that a new name in it outlasts a loss of power."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system without it, such as some of networks
            raise
    finally:
        os.close(descriptor)
