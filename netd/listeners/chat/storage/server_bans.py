"""Server bans: the clients that operators have barred from the server."""

from __future__ import annotations

from netd.listeners.chat.storage.table import Table

TABLE = Table(
    """
    CREATE TABLE server_ban (
        mask TEXT PRIMARY KEY,  -- folded
        ban TEXT NOT NULL       -- JSON: the mask as given, reason, operator, times
    ) WITHOUT ROWID;
    """
)
