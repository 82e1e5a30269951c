"""Read marks: the time up to which an account has read a channel or conversation."""

from __future__ import annotations

from netd.listeners.chat.storage.table import Table

TABLE = Table(
    """
    CREATE TABLE read_mark (
        account TEXT NOT NULL,  -- folded
        target TEXT NOT NULL,   -- folded name of a channel, nick or account
        time TEXT NOT NULL,     -- as in MARKREAD
        PRIMARY KEY (account, target)
    ) WITHOUT ROWID;
    """
)
