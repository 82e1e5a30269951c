"""Files that are read again when they change."""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from netd.errors import ConfigError

FileSignature = tuple[int, int, int, int, int]

T = TypeVar("T")
_log = logging.getLogger("netd")


def signature_of(status: os.stat_result) -> FileSignature:
    """Return values that change when a file is written, is replaced or gets other permissions."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


class WatchedFiles(Generic[T]):
    """A value read from files; `refresh` reads them again if one has changed."""

    def __init__(self, label: str, paths: Sequence[str], read: Callable[[], T]) -> None:
        """Read the files; log lines begin with `label`.

        Raises OSError, and the errors of `read`.
        """
        self._label = label
        self._paths = paths
        self._read = read
        self._fault = ""
        self._signatures = self._look()
        self.value = read()

    def refresh(self) -> bool:
        """Read changed files again. Returns True if `value` is new.

        After an OSError, a ConfigError or a ValueError, as of a file that is not UTF-8, the old
        value stays. A fault that persists is logged once, not at every call.
        """
        last_fault, self._fault = self._fault, ""
        try:
            signatures = self._look()
            if signatures == self._signatures:
                return False
            self._signatures = signatures
            self.value = self._read()
        except (OSError, ConfigError, ValueError) as error:
            self._fault = self._explain(error)
            if self._fault != last_fault:
                _log.warning("%s: %s; its earlier content stays in use", self._label, self._fault)
            return False
        _log.info("%s read again", self._label)
        return True

    def _explain(self, error: Exception) -> str:
        if not isinstance(error, OSError) or not error.strerror:
            return str(error)
        is_named = error.filename in (None, self._label)
        return error.strerror if is_named else f"{error.filename}: {error.strerror}"

    def _look(self) -> list[FileSignature]:
        return [signature_of(_stat_regular(path)) for path in self._paths]


def _stat_regular(path: str) -> os.stat_result:
    """As os.stat. Raises OSError also for a FIFO or a device: a read of it may never end."""
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "Is not a regular file", path)
    return status
