"""The thread that moves what was written from the write-ahead log into the file.

It waits for the disk, and SQLite would let a write wait for that, and the queries behind it.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from typing import Final

from netd.listeners.chat.storage.path_uri import path_uri
from netd.listeners.chat.storage.writer import Writer

CHANGES: Final = 1000
"""How many changes are moved at once; each one takes two or three pages."""
_PERIOD_S: Final = 0.2
_TRIES: Final = 5  # the log begins anew only if nothing was written during the last one


class Checkpointer:
    """One thread, with a connection of its own."""

    def __init__(self, path: str, writer: Writer) -> None:
        self._path = path
        self._writer = writer
        self._connection: sqlite3.Connection | None = None
        self._file = 0  # `Writer.files` of the connection
        self._moved = 0  # `Writer.written` at the last time
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="checkpoint", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Let the thread end."""
        self._closing.set()

    @property
    def is_closed(self) -> bool:
        """Whether the thread has ended."""
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._closing.wait(_PERIOD_S):
            written = self._writer.written
            if written - self._moved >= CHANGES:
                self._moved = written
                self._move()
        self._close_connection()

    def _move(self) -> None:
        try:
            connection = self._open()
            for _ in range(_TRIES):
                _, pages, moved = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                if moved == pages or self._closing.is_set():
                    break
        except sqlite3.Error:  # the next write reports it
            self._close_connection()

    def _open(self) -> sqlite3.Connection:
        if self._file != self._writer.files:
            self._close_connection()
        if self._connection is None:
            self._file = self._writer.files
            uri = path_uri(self._path, "rw")
            self._connection = sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None)
        return self._connection

    def _close_connection(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None
