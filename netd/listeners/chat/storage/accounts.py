"""The accounts that users have registered; those of the configuration are not in the database."""

from __future__ import annotations

from netd.listeners.chat.storage.table import Table

TABLE = Table(
    """
    CREATE TABLE account (
        name TEXT PRIMARY KEY,        -- folded
        shown_name TEXT NOT NULL,     -- as it was registered
        password TEXT NOT NULL,       -- hashed, as `netd passwd` does
        registered_at REAL NOT NULL,  -- seconds since the epoch
        settings TEXT NOT NULL DEFAULT '{}'  -- JSON
    ) WITHOUT ROWID;
    """
)
