"""The states of channels: topic, modes, lists, operators; not their messages."""

from __future__ import annotations

import sqlite3

from netd.listeners.chat.room.stored_state import ChannelStates, SetChannelState
from netd.listeners.chat.storage.table import Table, each


def _set(connection: sqlite3.Connection, change: SetChannelState) -> None:
    if change.state:
        connection.execute(
            "INSERT OR REPLACE INTO channel_state (channel, state) VALUES (?, ?)",
            (change.channel, change.state),
        )
    else:
        connection.execute("DELETE FROM channel_state WHERE channel = ?", (change.channel,))


def _states(connection: sqlite3.Connection, _query: ChannelStates) -> dict[str, str]:
    return dict(connection.execute("SELECT channel, state FROM channel_state").fetchall())


TABLE = Table(
    """
    CREATE TABLE channel_state (
        channel TEXT PRIMARY KEY,  -- folded name
        state TEXT NOT NULL        -- JSON (room/snapshot.py)
    ) WITHOUT ROWID;
    """,
    writes={SetChannelState: each(_set)},
    reads={ChannelStates: _states},
)
