"""Read marks: the time up to which an account has read a channel or conversation."""

from __future__ import annotations

import sqlite3

from netd.listeners.chat.room.kept_member import ReadMarks, SetReadMark
from netd.listeners.chat.storage.table import Table, each


def _set(connection: sqlite3.Connection, change: SetReadMark) -> None:
    if change.time:
        row = (change.account, change.target, change.time)
        connection.execute(
            "INSERT OR REPLACE INTO read_mark (account, target, time) VALUES (?, ?, ?)", row
        )
    else:
        key = (change.account, change.target)
        connection.execute("DELETE FROM read_mark WHERE account = ? AND target = ?", key)


def _marks(connection: sqlite3.Connection, _query: ReadMarks) -> tuple[tuple[str, str, str], ...]:
    found = connection.execute("SELECT account, target, time FROM read_mark ORDER BY time")
    return tuple(found.fetchall())


TABLE = Table(
    """
    CREATE TABLE read_mark (
        account TEXT NOT NULL,  -- folded
        target TEXT NOT NULL,   -- folded name of a channel, nick or account
        time TEXT NOT NULL,     -- as in MARKREAD
        PRIMARY KEY (account, target)
    ) WITHOUT ROWID;
    """,
    writes={SetReadMark: each(_set)},
    reads={ReadMarks: _marks},
)
