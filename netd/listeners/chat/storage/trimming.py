"""Removes old messages in small steps, so that the file stays within its limits."""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from netd.listeners.chat.room.stored_limits import Limits
from netd.listeners.chat.storage.messages import TEXT_COMMANDS, place_of, words_of

STEP: Final = 200
"""How many messages a step removes at most."""

_OLDEST: Final = "SELECT id, log, command, text FROM message"
_AGED: Final = """
SELECT id, log, command, text FROM message
WHERE time < ?1 AND id <= (SELECT max(id) FROM (SELECT id FROM message ORDER BY id LIMIT ?2))
"""
_SIZE: Final = """
SELECT (page_count - freelist_count) * page_size
FROM pragma_page_count, pragma_freelist_count, pragma_page_size
"""

Rows = Sequence[tuple[int, int, str, str]]
"""Messages: id, log, command, text."""


class Trimmer:
    """The limits of one file."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.time) -> None:
        self.limits = limits
        """May be set at any time."""
        self._clock = clock

    def step(self, connection: sqlite3.Connection) -> bool:
        """Remove some messages, in a transaction of the caller; return whether there are more."""
        for find in (self._find_surplus, self._find_aged, self._find_oldest):
            rows = find(connection)
            if rows:
                remove_messages(connection, rows)
                return True
        return False

    def _find_surplus(self, connection: sqlite3.Connection) -> Rows:
        """The oldest messages of a log that has too many."""
        limit = self.limits.lines
        query = "SELECT id, lines FROM log WHERE lines > ? LIMIT 1"
        found = connection.execute(query, (limit,)).fetchone() if limit else None
        if found is None:
            return ()
        of_log = f"{_OLDEST} WHERE log = ? ORDER BY time, id LIMIT ?"
        return connection.execute(of_log, (found[0], min(found[1] - limit, STEP))).fetchall()

    def _find_aged(self, connection: sqlite3.Connection) -> Rows:
        """The oldest messages, if they are too old."""
        if not self.limits.age_s:
            return ()
        until = int((self._clock() - self.limits.age_s) * 1000)
        return connection.execute(_AGED, (until, STEP)).fetchall()

    def _find_oldest(self, connection: sqlite3.Connection) -> Rows:
        """The oldest messages, if the file is too large."""
        limit = self.limits.bytes
        if not limit or connection.execute(_SIZE).fetchone()[0] <= limit:
            return ()
        return connection.execute(f"{_OLDEST} ORDER BY id LIMIT ?", (STEP,)).fetchall()


def remove_messages(connection: sqlite3.Connection, rows: Rows) -> None:
    """Remove messages, and their words from the index; a log without messages is removed."""
    words = [
        (id_, place_of(log), words_of(text))
        for id_, log, command, text in rows
        if command in TEXT_COMMANDS
    ]
    connection.execute(
        "INSERT INTO message_words (message_words, rowid, place, text)"
        " SELECT 'delete', value->>0, value->>1, value->>2 FROM json_each(?)",
        (json.dumps(words),),
    )
    ids = json.dumps([row[0] for row in rows])
    connection.execute("DELETE FROM message WHERE id IN (SELECT value FROM json_each(?))", (ids,))
    for log, count in Counter(row[1] for row in rows).items():
        connection.execute("UPDATE log SET lines = lines - ? WHERE id = ?", (count, log))
        _remove_traces(connection, log)


def _remove_traces(connection: sqlite3.Connection, log: int) -> None:
    """Remove what belongs to no message of a log any more."""
    first = "coalesce((SELECT id FROM message WHERE log = ?1 ORDER BY time, id LIMIT 1), 1 << 62)"
    connection.execute(f"DELETE FROM presence WHERE log = ?1 AND until < {first}", (log,))  # noqa: S608 (a constant)
    if connection.execute("DELETE FROM log WHERE id = ? AND lines = 0", (log,)).rowcount:
        connection.execute("DELETE FROM party WHERE log = ?", (log,))
