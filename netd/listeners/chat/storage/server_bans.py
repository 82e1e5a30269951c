"""Server bans: the clients that operators have barred from the server."""

from __future__ import annotations

import sqlite3

from netd.listeners.chat.room.server_ban import SetServerBan, StoredServerBans
from netd.listeners.chat.storage.table import Table, each


def _set(connection: sqlite3.Connection, change: SetServerBan) -> None:
    if change.ban:
        row = (change.mask, change.ban)
        connection.execute("INSERT OR REPLACE INTO server_ban (mask, ban) VALUES (?, ?)", row)
    else:
        connection.execute("DELETE FROM server_ban WHERE mask = ?", (change.mask,))


def _bans(connection: sqlite3.Connection, _query: StoredServerBans) -> tuple[str, ...]:
    return tuple(row[0] for row in connection.execute("SELECT ban FROM server_ban"))


TABLE = Table(
    """
    CREATE TABLE server_ban (
        mask TEXT PRIMARY KEY,  -- folded
        ban TEXT NOT NULL       -- JSON: the mask as given, operator, times, reason
    ) WITHOUT ROWID;
    """,
    writes={SetServerBan: each(_set)},
    reads={StoredServerBans: _bans},
)
