"""Stores messages and states of channels in an SQLite file.

A thread writes, so a slow disk does not delay the chat. Writes that fail (disk full, file locked)
are dropped and counted; the chat continues without them. A damaged file is moved aside, and a
missing file is created again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import sqlite3
import threading
import time
from typing import Final

BUSY_S: Final = 2.0
STALLED_S: Final = 2 * BUSY_S  # a write that takes longer waits for a disk, not for a lock
CHECK_S: Final = 1.0  # the period in which the thread checks that the file still exists
_CLOSE_S: Final = 5.0
_MAX_QUEUED: Final = 10_000
_TRIM_EVERY: Final = 200
_MODE: Final = 0o640  # it holds messages and the keys of channels
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS line (id INTEGER PRIMARY KEY, channel TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS state (channel TEXT PRIMARY KEY, body TEXT NOT NULL);
"""
_ADD_LINE: Final = "INSERT INTO line (channel, body) VALUES (?, ?)"
_SET_STATE: Final = "INSERT OR REPLACE INTO state (channel, body) VALUES (?, ?)"
_DELETE_STATE: Final = "DELETE FROM state WHERE channel = ?"
_TRIM: Final = "DELETE FROM line WHERE id <= (SELECT max(id) FROM line) - ?"
_log = logging.getLogger("netd")

_Write = tuple[str, tuple[str, ...]]


class SqliteStore:
    """One database file. Load before the first write, and call `close` at the end."""

    def __init__(self, path: str, max_lines: int) -> None:
        self.path = path
        self.max_lines = max_lines
        """The number of lines to keep; may be set at any time."""
        self._queue: queue.Queue[_Write | None] = queue.Queue(_MAX_QUEUED)
        self._error = ""  # the thread's: why its last write failed
        self._writing_since: float | None = None  # the thread's
        self._has_file = False
        self._is_closing = False
        self.lost = 0
        """The number of writes that failed or were dropped."""
        self.is_new_file = threading.Event()
        """Set when the file was removed or damaged, so that it lacks all earlier writes."""
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)
        self._thread.start()

    @property
    def failure(self) -> str:
        """Why nothing is written at present; empty if writes succeed."""
        since = self._writing_since
        if since is not None and time.monotonic() - since > STALLED_S:
            return f"chat: {self.path}: a write takes more than {STALLED_S:g} s"
        return self._error

    def load_states(self) -> dict[str, str]:
        """The states of all channels, by the channel's folded name."""
        return {row[0]: row[1] for row in self._load("SELECT channel, body FROM state", ())}

    def load_lines(self, channel: str) -> list[str]:
        """The last lines of a channel, oldest first."""
        last_lines = "SELECT body FROM line WHERE channel = ? ORDER BY id DESC LIMIT ?"
        return [line for (line,) in reversed(self._load(last_lines, (channel, self.max_lines)))]

    def add_line(self, channel: str, body: str) -> None:
        """Write a line."""
        self._put((_ADD_LINE, (channel, body)))

    def set_state(self, channel: str, body: str) -> None:
        """Write a channel's state in place of the earlier one; an empty one removes it."""
        self._put((_SET_STATE, (channel, body)) if body else (_DELETE_STATE, (channel,)))

    def try_close(self) -> bool:
        """Begin to close, without waiting; return whether all queued writes are done."""
        if not self._is_closing:
            with contextlib.suppress(queue.Full):
                self._queue.put_nowait(None)
                self._is_closing = True
        return not self._thread.is_alive()

    def take_queued(self) -> tuple[list[tuple[str, str]], list[str]]:
        """Remove the writes that have not begun: lines by channel, and channels with a state."""
        lines: list[tuple[str, str]] = []
        channels: list[str] = []
        with contextlib.suppress(queue.Empty):
            while True:
                write = self._queue.get_nowait()
                if write is not None and write[0] == _ADD_LINE:
                    lines.append((write[1][0], write[1][1]))
                elif write is not None:
                    channels.append(write[1][0])
        self._queue.put(None)
        return lines, channels

    def close(self, within_s: float = _CLOSE_S) -> None:
        """Wait for the queued writes, at most `within_s`; the thread ends when they are done."""
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=within_s)
            self._thread.join(within_s)

    def _load(self, query: str, values: tuple[str | int, ...]) -> list[tuple[str, ...]]:
        try:
            with contextlib.closing(_open(self.path)) as database:
                return database.execute(query, values).fetchall()
        except sqlite3.OperationalError as error:  # locked, no directory, disk full
            _log.warning("chat: %s: %s; history starts empty", self.path, error)
        except sqlite3.DatabaseError as error:
            _move_aside(self.path, error)
        return []

    def _put(self, write: _Write) -> None:
        try:
            self._queue.put_nowait(write)
        except queue.Full:
            self.lost += 1

    def _run(self) -> None:
        written = 0
        while (first := self._await_write()) is not None:
            writes, is_last = self._gather(first)
            written += len(writes)
            self._writing_since = time.monotonic()
            self._write(writes, trim=written >= _TRIM_EVERY)
            self._writing_since = None
            written %= _TRIM_EVERY
            if is_last:
                return

    def _await_write(self) -> _Write | None:
        while True:
            try:
                return self._queue.get(timeout=CHECK_S)
            except queue.Empty:
                self._check_removed()

    def _check_removed(self) -> None:
        if self._has_file and not os.path.exists(self.path):
            _log.warning("chat: %s: the file was removed; it is written anew", self.path)
            self._has_file = False
            self.is_new_file.set()

    def _gather(self, first: _Write) -> tuple[list[_Write], bool]:
        """All queued writes, for one transaction; and whether the store is closing."""
        writes = [first]
        with contextlib.suppress(queue.Empty):
            while (write := self._queue.get_nowait()) is not None:
                writes.append(write)
            return writes, True
        return writes, False

    def _write(self, writes: list[_Write], *, trim: bool) -> None:
        self._check_removed()
        try:
            with contextlib.closing(_open(self.path)) as database, database:
                for statement, values in writes:
                    database.execute(statement, values)
                if trim:
                    database.execute(_TRIM, (self.max_lines,))
        except sqlite3.OperationalError as error:
            self.lost += len(writes)
            was_well = not self._error
            self._error = f"chat: {self.path}: {error}; history is kept in memory only"
            if was_well:
                _log.warning("%s", self._error)
        except sqlite3.DatabaseError as error:
            self.lost += len(writes)
            _move_aside(self.path, error)
            self.is_new_file.set()
        else:
            if self._error:
                _log.info("chat: %s: history is written again", self.path)
            self._error = ""
            self._has_file = True


def fault_of(path: str) -> str:
    """Why an existing file is not a chat's database; empty if it is. The file is not changed."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            database.execute("SELECT count(*) FROM state").fetchone()
            found: str = database.execute("PRAGMA quick_check(1)").fetchone()[0]
            return "" if found == "ok" else found
    except sqlite3.OperationalError:  # it cannot be read now, or has no tables yet
        return ""
    except sqlite3.DatabaseError as error:
        return str(error)


def _open(path: str) -> sqlite3.Connection:
    with contextlib.suppress(OSError):  # SQLite itself reports why it cannot be opened
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, _MODE))
    database = sqlite3.connect(path, timeout=BUSY_S)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.executescript(_SCHEMA)
    except sqlite3.Error:
        database.close()
        raise
    return database


def _move_aside(path: str, error: sqlite3.Error) -> None:
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
