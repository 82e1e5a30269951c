"""Removes old messages in small steps, so that the file stays within its limits."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import Final

from netd.listeners.chat.room.stored_limits import Limits
from netd.listeners.chat.storage.removal import COLUMNS, Rows, remove_messages

STEP: Final = 200
"""How many messages a step removes at most."""

_OLDEST: Final = f"SELECT {COLUMNS} FROM message"  # noqa: S608 (a constant)
_AGED: Final = f"""
SELECT {COLUMNS} FROM message
WHERE time < ?1 AND id <= (SELECT max(id) FROM (SELECT id FROM message ORDER BY id LIMIT ?2))
"""  # noqa: S608 (as above)
_SIZE: Final = """
SELECT (page_count - freelist_count) * page_size
FROM pragma_page_count, pragma_freelist_count, pragma_page_size
"""


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
        of_log = f"{_OLDEST} WHERE log = ? ORDER BY id LIMIT ?"
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
