"""Removes messages, with their words in the index."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Sequence
from typing import Final

from netd.listeners.chat.room.stored_message import RemoveMessage
from netd.listeners.chat.storage.words import TEXT_COMMANDS, origin_of, words_of

COLUMNS: Final = "id, log, command, source, text"
Rows = Sequence[tuple[int, int, str, str, str]]
"""Messages: id, log, command, source, text."""

_REMOVE_WORDS: Final = """
INSERT INTO message_words (message_words, rowid, origin, text)
SELECT 'delete', value->>0, value->>1, value->>2 FROM json_each(?)
"""
_REMOVE: Final = "DELETE FROM message WHERE id IN (SELECT value FROM json_each(?))"
_REMOVE_STAYS: Final = """
DELETE FROM presence
WHERE channel = (SELECT name FROM log WHERE id = ?1)
  AND until < (SELECT coalesce(min(message.id), 1 << 62) FROM message
               WHERE log IN (SELECT id FROM log WHERE name = channel))
"""


def remove_message(connection: sqlite3.Connection, change: RemoveMessage) -> None:
    """Remove one message, if there is one."""
    query = f"SELECT {COLUMNS} FROM message WHERE id = ?"  # noqa: S608 (a constant)
    remove_messages(connection, connection.execute(query, (change.id,)).fetchall())


def remove_messages(connection: sqlite3.Connection, rows: Rows) -> None:
    """Remove messages; a log without messages is removed too."""
    words = [
        (id_, origin_of(log, source), words_of(text))
        for id_, log, command, source, text in rows
        if command in TEXT_COMMANDS
    ]
    connection.execute(_REMOVE_WORDS, (json.dumps(words),))
    connection.execute(_REMOVE, (json.dumps([row[0] for row in rows]),))
    for log, count in Counter(row[1] for row in rows).items():
        connection.execute("UPDATE log SET lines = lines - ? WHERE id = ?", (count, log))
        _remove_traces(connection, log)


def _remove_traces(connection: sqlite3.Connection, log: int) -> None:
    """Remove what belongs to no message of a log any more."""
    connection.execute(_REMOVE_STAYS, (log,))
    if connection.execute("DELETE FROM log WHERE id = ? AND lines <= 0", (log,)).rowcount:
        connection.execute("DELETE FROM party WHERE log = ?", (log,))
