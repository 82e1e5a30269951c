"""All tables of the database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from itertools import groupby
from typing import Any, Final

from netd.listeners.chat.room.storage import Change, Query
from netd.listeners.chat.storage import (
    account_edits,
    accounts,
    channel_states,
    kept_members,
    messages,
    read_marks,
    server_bans,
)
from netd.listeners.chat.storage.table import Read, Write

TABLES: Final = (
    messages.TABLE,
    channel_states.TABLE,
    accounts.TABLE,
    account_edits.TABLE,
    kept_members.TABLE,
    read_marks.TABLE,
    server_bans.TABLE,
)
_WRITES: Final[dict[type[Change], Write]] = {
    kind: write for table in TABLES for kind, write in table.writes.items()
}
_READS: Final[dict[type[Query[Any]], Read]] = {
    kind: read for table in TABLES for kind, read in table.reads.items()
}
CHANGES: Final = {kind.__name__: kind for kind in _WRITES}
"""The types of changes, by their names in a saved state."""


def write_changes(connection: sqlite3.Connection, changes: Iterable[Change]) -> None:
    """Write changes, in their order. Raises sqlite3.Error; the caller has begun a transaction."""
    for kind, same in groupby(changes, key=type):
        _WRITES[kind](connection, list(same))


def answer(connection: sqlite3.Connection, query: Query[Any]) -> object:
    """The result of a query. Raises sqlite3.Error."""
    return _READS[type(query)](connection, query)
