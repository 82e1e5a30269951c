"""The contract of the module of a table: its SQL, and functions that write and read it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from netd.listeners.chat.room.storage import Change, Query

Write = Callable[[sqlite3.Connection, Sequence[Any]], None]
"""Writes successive changes of one type, within a transaction of the caller."""

Read = Callable[[sqlite3.Connection, Any], Any]
"""Answers a query. A transaction of the caller makes its statements see one state."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table, or some tables that belong together."""

    schema: str
    """The statements that create it."""
    writes: dict[type[Change], Write] = field(default_factory=dict)
    """How each type of change is written."""
    reads: dict[type[Query[Any]], Read] = field(default_factory=dict)
    """How each type of query is answered."""


def each(write: Callable[[sqlite3.Connection, Any], object]) -> Write:
    """A `Write` that writes one change after the other."""

    def write_all(connection: sqlite3.Connection, changes: Sequence[Any]) -> None:
        for change in changes:
            write(connection, change)

    return write_all
