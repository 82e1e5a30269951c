"""The database of a chat listener, as the loop uses it: it never waits for the disk."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable
from typing import Any, Final, TypeVar, cast

from netd.listeners.chat.room.storage import Change, Query
from netd.listeners.chat.room.stored_limits import Limits
from netd.listeners.chat.room.stored_message import SearchMessages
from netd.listeners.chat.storage.checkpointer import Checkpointer
from netd.listeners.chat.storage.file import DatabaseFile, is_damage, move_aside
from netd.listeners.chat.storage.reader import OnResult, Reader
from netd.listeners.chat.storage.schema import NewerVersionError
from netd.listeners.chat.storage.tables import CHANGES, answer
from netd.listeners.chat.storage.trimming import Trimmer
from netd.listeners.chat.storage.writer import Writer
from netd.protocols.saved_record import load_record, save_record
from netd.runtime.loop import Loop

_log = logging.getLogger("netd")
_CLOSE_S: Final = 5.0
Result = TypeVar("Result")


class Database:
    """One file. `load` what the room needs at its start, then `start` to write and to ask."""

    def __init__(self, loop: Loop, path: str, limits: Limits) -> None:
        self.path = path
        self._trimmer = Trimmer(limits)
        self._loop = loop
        self._file: DatabaseFile | None = None  # until `start`
        self._is_usable = True
        self._writer: Writer
        self._checkpointer: Checkpointer
        self._reader: Reader
        self._searcher: Reader  # a search takes longer, and no other query waits for it

    # Before `start`: the process serves no client yet.

    def load(self, query: Query[Result]) -> Result | None:
        """The result of a query; None if the file cannot be read, which is logged."""
        if not self._is_usable:
            return None
        try:
            if self._file is None:
                self._file = DatabaseFile(self.path)
            return cast("Result", answer(self._file.connection, query))
        except (sqlite3.OperationalError, NewerVersionError) as error:  # locked, no directory, ...
            _log.warning("chat: %s: %s; history starts empty", self.path, error)
        except sqlite3.DatabaseError as error:
            self._close_file()
            if not is_damage(error):
                raise
            move_aside(self.path, error)
        self._close_file()
        self._is_usable = False
        return None

    def start(self) -> None:
        """Start the threads that write and read."""
        self._close_file()
        self._writer = Writer(self.path, self._trimmer.step)
        self._checkpointer = Checkpointer(self.path, self._writer)
        self._reader = Reader(self._loop, self.path, self._writer)
        self._searcher = Reader(self._loop, self.path, self._writer)

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def set_limits(self, limits: Limits) -> None:
        """Keep as much as these limits allow from now on."""
        self._trimmer.limits = limits

    # After `start`.

    def write(self, change: Change) -> None:
        """Make a change soon, after those that were made before."""
        self._writer.put(change)

    def ask(self, query: Query[Any], on_result: OnResult) -> None:
        """Answer a query in a later turn of the loop: with its result, or a QueryFailedError."""
        reader = self._searcher if isinstance(query, SearchMessages) else self._reader
        reader.ask(query, on_result)

    @property
    def failure(self) -> str:
        """Why nothing is written at present; empty if changes are written."""
        return self._writer.failure

    @property
    def lost(self) -> int:
        """The number of changes that could not be written."""
        return self._writer.lost

    @property
    def failed_queries(self) -> int:
        """The number of queries that had no answer."""
        return self._reader.failed + self._searcher.failed

    def take_must_repeat(self) -> bool:
        """Whether the present state is to be written again, as earlier changes were lost."""
        if self._writer.must_repeat.is_set():
            self._writer.must_repeat.clear()
            return True
        return False

    def try_close(self) -> bool:
        """Begin to close, without waiting; return whether the file is closed."""
        others = (self._reader, self._searcher, self._checkpointer)
        for thread in others:
            thread.close()
        return all(thread.is_closed for thread in others) and self._writer.try_close()

    def take_unwritten(self) -> list[Change]:
        """The changes that are not written, after `try_close`."""
        return self._writer.take_unwritten()

    def close(self, within_s: float = _CLOSE_S) -> None:
        """Write all changes and close the file, within this time."""
        for thread in (self._reader, self._searcher, self._checkpointer):
            thread.close()
        self._writer.close(within_s)


def save_changes(changes: Iterable[Change]) -> list[list[Any]]:
    """Changes as plain data."""
    return [[type(change).__name__, save_record(change)] for change in changes]


def load_changes(rows: Iterable[Any]) -> list[Change]:
    """The changes that `save_changes` saved, without those of an unknown type.

    Raises StateError, ValueError or TypeError if one is malformed.
    """
    loaded = []
    for name, saved in rows:
        kind: Any = CHANGES.get(name)
        if kind is not None:
            loaded.append(cast("Change", load_record(kind, saved)))
    return loaded
