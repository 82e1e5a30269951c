"""The members that stay in the room without a client (always on), over restarts."""

from __future__ import annotations

import sqlite3

from netd.listeners.chat.room.kept_member import KeptMembers, SetKeptMember
from netd.listeners.chat.storage.table import Table, each


def _set(connection: sqlite3.Connection, change: SetKeptMember) -> None:
    if change.state:
        row = (change.account, change.state)
        connection.execute("INSERT OR REPLACE INTO kept_member (account, state) VALUES (?, ?)", row)
    else:
        connection.execute("DELETE FROM kept_member WHERE account = ?", (change.account,))


def _members(connection: sqlite3.Connection, _query: KeptMembers) -> tuple[str, ...]:
    return tuple(row[0] for row in connection.execute("SELECT state FROM kept_member"))


TABLE = Table(
    """
    CREATE TABLE kept_member (
        account TEXT PRIMARY KEY,  -- folded
        state TEXT NOT NULL        -- JSON: nick, channels, away, ...
    ) WITHOUT ROWID;
    """,
    writes={SetKeptMember: each(_set)},
    reads={KeptMembers: _members},
)
