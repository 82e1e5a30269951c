"""Stores messages and states of channels in an SQLite file.

A thread writes, so a slow disk does not delay the chat. Writes that fail (disk full, file locked)
are dropped and counted; the chat goes on without them.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import sqlite3
import threading
from typing import Final

BUSY_S: Final = 2.0
_CLOSE_S: Final = 5.0
_MAX_QUEUED: Final = 10_000
_TRIM_EVERY: Final = 200
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS line (id INTEGER PRIMARY KEY, channel TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS state (channel TEXT PRIMARY KEY, body TEXT NOT NULL);
"""
_ADD_LINE: Final = "INSERT INTO line (channel, body) VALUES (?, ?)"
_SET_STATE: Final = "INSERT OR REPLACE INTO state (channel, body) VALUES (?, ?)"
_TRIM: Final = "DELETE FROM line WHERE id <= (SELECT max(id) FROM line) - ?"
_log = logging.getLogger("netd")

_Write = tuple[str, tuple[str, str]]


class SqliteStore:
    """One database file. Call `load` before the first write, and `close` at the end."""

    def __init__(self, path: str, max_lines: int) -> None:
        self.path = path
        self.max_lines = max_lines
        """The number of lines to keep; may be set at any time."""
        self._queue: queue.Queue[_Write | None] = queue.Queue(_MAX_QUEUED)
        self._is_failing = False
        self.lost = 0
        """The number of writes that failed or were dropped."""
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)
        self._thread.start()

    def load(self, channel: str) -> tuple[str, list[str]]:
        """The channel's state (empty for none) and its last lines, oldest first."""
        last_lines = "SELECT body FROM line WHERE channel = ? ORDER BY id DESC LIMIT ?"
        try:
            with contextlib.closing(_open(self.path)) as database:
                row = database.execute(
                    "SELECT body FROM state WHERE channel = ?", (channel,)
                ).fetchone()
                lines = database.execute(last_lines, (channel, self.max_lines)).fetchall()
        except sqlite3.Error as error:
            _log.warning("chat: %s: %s; history starts empty", self.path, error)
            return "", []
        return row[0] if row else "", [line for (line,) in reversed(lines)]

    def add_line(self, channel: str, body: str) -> None:
        """Write a line."""
        self._put((_ADD_LINE, (channel, body)))

    def set_state(self, channel: str, body: str) -> None:
        """Write a channel's state in place of the earlier one."""
        self._put((_SET_STATE, (channel, body)))

    def close(self, within_s: float = _CLOSE_S) -> None:
        """Wait for the queued writes, at most so long; the thread ends when they are done."""
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=within_s)
            self._thread.join(within_s)

    def _put(self, write: _Write) -> None:
        try:
            self._queue.put_nowait(write)
        except queue.Full:
            self.lost += 1

    def _run(self) -> None:
        written = 0
        while (first := self._queue.get()) is not None:
            writes, is_last = self._gather(first)
            written += len(writes)
            self._write(writes, trim=written >= _TRIM_EVERY)
            written %= _TRIM_EVERY
            if is_last:
                return

    def _gather(self, first: _Write) -> tuple[list[_Write], bool]:
        """All queued writes, for one transaction; and whether the store is closing."""
        writes = [first]
        with contextlib.suppress(queue.Empty):
            while (write := self._queue.get_nowait()) is not None:
                writes.append(write)
            return writes, True
        return writes, False

    def _write(self, writes: list[_Write], *, trim: bool) -> None:
        try:
            with contextlib.closing(_open(self.path)) as database, database:
                for statement, values in writes:
                    database.execute(statement, values)
                if trim:
                    database.execute(_TRIM, (self.max_lines,))
        except sqlite3.Error as error:
            self.lost += len(writes)
            if not self._is_failing:
                _log.warning("chat: %s: %s; history is kept in memory only", self.path, error)
            self._is_failing = True
        else:
            self._is_failing = False


def _open(path: str) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=BUSY_S)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.executescript(_SCHEMA)
    except sqlite3.Error:
        database.close()
        raise
    return database
