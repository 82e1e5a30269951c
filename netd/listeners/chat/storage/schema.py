"""The version of the database, and the steps that bring a file of an earlier version up to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from typing import Final

from netd.errors import NetdError
from netd.listeners.chat.room.stored_message import AddMessage
from netd.listeners.chat.storage.earlier_lines import read_line
from netd.listeners.chat.storage.messages import add_messages
from netd.listeners.chat.storage.tables import TABLES


class NewerVersionError(NetdError):
    """The file was written by a later version of netd, which may keep other data in it."""


def migrate(connection: sqlite3.Connection) -> None:
    """Create the tables in an empty file, and take over those of an earlier version.

    Raises NewerVersionError; sqlite3.Error, and then the file is as it was.
    """
    if version_of(connection) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        refuse_newer(connection)  # again: another process may have been faster
        for step in _STEPS[version_of(connection) :]:
            step(connection)
        connection.execute(f"PRAGMA user_version = {VERSION}")


def refuse_newer(connection: sqlite3.Connection) -> None:
    """Raise NewerVersionError if a later version of netd has written the file."""
    found = version_of(connection)
    if found > VERSION:
        raise NewerVersionError(
            f"its version is {found}, and this netd reads versions up to {VERSION}"
        )


def version_of(connection: sqlite3.Connection) -> int:
    """The version of a file; 0 for a new one, and for those of netd before versions."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def _create(connection: sqlite3.Connection) -> None:
    """From version 0: an empty file, or one with the tables `line` and `state`."""
    for table in TABLES:
        for statement in _statements(table.schema):
            connection.execute(statement)
    if _has_table(connection, "line"):
        _take_over_lines(connection)
        connection.execute("INSERT INTO channel_state SELECT channel, body FROM state")
        connection.execute("DROP TABLE line")
        connection.execute("DROP TABLE state")


def _statements(schema: str) -> Iterator[str]:
    """The statements of a schema; `executescript` would end the transaction."""
    statement = ""
    for part in schema.split(";"):
        statement += part + ";"
        if sqlite3.complete_statement(statement) and part.strip():
            yield statement
            statement = ""


def _has_table(connection: sqlite3.Connection, name: str) -> bool:
    found = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (name,))
    return found.fetchone() is not None


def _take_over_lines(connection: sqlite3.Connection) -> None:
    last = 0
    taken: list[AddMessage] = []
    rows = connection.execute("SELECT channel, body FROM line ORDER BY id").fetchall()
    for channel, body in rows:
        message = read_line(channel, body, after=last)
        if message is not None:
            taken.append(message)
            last = message.id
    add_messages(connection, taken)


_STEPS: Final[tuple[Callable[[sqlite3.Connection], None], ...]] = (_create,)
VERSION: Final = len(_STEPS)
"""The version that this netd writes."""
