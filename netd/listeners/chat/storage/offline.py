"""The database of a chat, as a command line uses it: also while the chat runs."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar, cast

from netd.errors import NetdError
from netd.listeners.chat.room.storage import Change, Query
from netd.listeners.chat.storage.file import DatabaseFile, describe_failure
from netd.listeners.chat.storage.schema import VERSION, NewerVersionError, version_of
from netd.listeners.chat.storage.tables import answer, write_changes

Result = TypeVar("Result")


class OfflineDatabaseError(NetdError):
    """The database cannot be used."""


class OfflineTransaction:
    """Queries and changes of one transaction, which no other process changes meanwhile."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def ask(self, query: Query[Result]) -> Result:
        """The result of a query."""
        return cast("Result", answer(self._connection, cast("Query[Any]", query)))

    def write(self, changes: Iterable[Change]) -> None:
        """Make changes, which are in the file at the end of the transaction."""
        write_changes(self._connection, changes)


@contextlib.contextmanager
def transaction(path: str) -> Iterator[OfflineTransaction]:
    """Begin a transaction; the file is created if there is none.

    A file of an earlier version is not touched: a chat of that version could still be running.
    Raises OfflineDatabaseError.
    """
    try:
        with contextlib.closing(_open(path)) as file:
            file.connection.execute("BEGIN IMMEDIATE")
            with file.connection:
                yield OfflineTransaction(file.connection)
    except (sqlite3.Error, OSError, NewerVersionError) as error:
        raise OfflineDatabaseError(describe_failure(path, error)) from error


def _open(path: str) -> DatabaseFile:
    if _is_new(path):
        file = DatabaseFile(path)
        _give_to_owner_of_directory(path)
        return file
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as found:
        if version_of(found) < VERSION:
            raise OfflineDatabaseError(f"{path}: it is of an earlier netd; start this one first")
    return DatabaseFile(path)


def _is_new(path: str) -> bool:
    try:
        return os.stat(path).st_size == 0 and not os.path.exists(f"{path}-wal")
    except FileNotFoundError:
        return True


def _give_to_owner_of_directory(path: str) -> None:
    """Let the daemon, which is not root, write a file that root has created."""
    if os.geteuid() == 0:
        owner = os.stat(os.path.dirname(os.path.abspath(path)))
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.chown(path + suffix, owner.st_uid, owner.st_gid)
