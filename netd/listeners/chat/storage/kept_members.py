"""The members that stay in the room without a client (always on), over restarts."""

from __future__ import annotations

from netd.listeners.chat.storage.table import Table

TABLE = Table(
    """
    CREATE TABLE kept_member (
        account TEXT PRIMARY KEY,  -- folded
        state TEXT NOT NULL        -- JSON: nick, channels, away, ...
    ) WITHOUT ROWID;
    """
)
