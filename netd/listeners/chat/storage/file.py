"""Opens the file of a database, and notices that it was removed, replaced or damaged."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import time
from typing import Final

from netd.listeners.chat.storage.schema import migrate, refuse_newer
from netd.runtime.errnos import describe

BUSY_S: Final = 2.0
_MODE: Final = 0o640  # it holds messages, the keys of channels, and hashed passwords
_HEADER: Final = b"SQLite format 3\0"
_CHECKPOINT_PAGES: Final = 16_000  # if the checkpointer does not keep up; a write waits for it
_OF_DISK: Final = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
_LITTLE_BYTES: Final = 1 << 16  # too few for a database to write a change
_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_log = logging.getLogger("netd")


class DatabaseFile:
    """A file that is open for writing, by one thread.

    The descriptor stays open, also while there is no connection after an error: to close any
    descriptor of a file drops the locks of the process on it (fcntl(2)), also those of other
    connections to it. Another process would then remove the write-ahead log that they use.
    """

    def __init__(self, path: str) -> None:
        """Open or create it. Raises sqlite3.Error, or NewerVersionError."""
        self._path = path
        with contextlib.suppress(OSError):  # it exists, or SQLite reports why it cannot be opened
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, _MODE))
        self.connection = _open(path)
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            self.disconnect()
            raise sqlite3.OperationalError(describe(error)) from error

    def is_gone(self) -> bool:
        """Whether the file was removed or replaced."""
        try:
            found = os.stat(self._path)
        except OSError:
            return True
        return not os.path.samestat(found, os.fstat(self._fd))

    def is_overwritten(self) -> bool:
        """Whether the file holds no database any more."""
        return os.pread(self._fd, len(_HEADER), 0) not in (_HEADER, b"")

    def disconnect(self) -> None:
        """Close the connection after an error."""
        with contextlib.suppress(sqlite3.Error):
            self.connection.close()

    def reconnect(self) -> None:
        """Open a connection again. Raises sqlite3.Error, or NewerVersionError."""
        self.connection = _open(self._path)

    def close(self) -> None:
        """Close it: the process has no other connection to it, or the file is gone."""
        self.disconnect()
        os.close(self._fd)


def _open(path: str) -> sqlite3.Connection:
    # Transactions are begun explicitly; the thread that opens it is not always that which writes.
    connection = sqlite3.connect(
        path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
    )
    try:
        refuse_newer(connection)  # before anything is written
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def describe_failure(path: str, error: Exception) -> str:
    """The reason why a file cannot be used; SQLite reports many a full disk as an I/O error."""
    is_of_disk = isinstance(error, sqlite3.Error) and _code(error) in _OF_DISK
    return f"{path}: {(is_of_disk and full_disk_of(path)) or error}"


def full_disk_of(path: str) -> str:
    """Advice for a file whose disk is full; empty if it is not."""
    directory = os.path.dirname(os.path.abspath(path))
    try:
        disk = os.statvfs(directory)
    except OSError:
        return ""
    if disk.f_bavail * disk.f_frsize >= _LITTLE_BYTES:
        return ""
    return f"its disk is full; free some space (df {directory})"


def is_damage(error: sqlite3.Error) -> bool:
    """Whether an error means that the file is damaged, or no database."""
    return _code(error) in _DAMAGED


def is_lock(error: sqlite3.Error) -> bool:
    """Whether an error means that another process has locked the file."""
    return _code(error) == sqlite3.SQLITE_BUSY


def _code(error: sqlite3.Error) -> int:
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
    return code & 0xFF  # without the details


def fault_of(path: str) -> str:
    """Why an existing file is not a chat's database; empty if it is. The file is not changed."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            database.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            found: str = database.execute("PRAGMA quick_check(1)").fetchone()[0]
            return "" if found == "ok" else found
    except sqlite3.OperationalError:  # it cannot be read now
        return ""
    except sqlite3.DatabaseError as error:
        return str(error)


def move_aside(path: str, error: object) -> None:
    """Rename a damaged file, so that a new file can replace it."""
    aside = f"{path}.corrupt-{time.strftime('%Y%m%d-%H%M%S')}"
    try:
        os.replace(path, aside)
        for suffix in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.replace(path + suffix, aside + suffix)
    except OSError as failure:
        _log.warning("chat: %s: %s; it cannot be moved aside: %s", path, error, failure)
    else:
        _log.warning("chat: %s: %s; it is kept as %s, and a new one begins", path, error, aside)
