"""Where the messages of a history belong among the entries of a conversation.

Times have milliseconds, in which a server relays several messages. The order of the history
therefore decides, and the time only where the history does not: a message stands after those that
precede it there, and before those that follow it, also if these were shown before. An entry of
the same millisecond that is not in the history was said after the part that was requested.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class Entry(Protocol):
    """A message; or a note of the program, which has no sender, and the time of this machine."""

    @property
    def time(self) -> Any:  # noqa: ANN401 (a text or a datetime, but never both in one order)
        """The time, of a type that all entries of the conversation share."""

    @property
    def id(self) -> str:
        """The server's msgid; empty if there is none."""

    @property
    def sender(self) -> str:
        """The nick; empty for a note."""


class HistoryOrder:
    """One history: call `place` for its new messages, in their order."""

    def __init__(self, entries: Sequence[Entry], ids: Sequence[str]) -> None:
        """`ids` are those of all messages of the history, of which `entries` may have some."""
        self._ranks = {message_id: rank for rank, message_id in enumerate(ids) if message_id}
        shown = [(self._ranks[entry.id], entry) for entry in entries if entry.id in self._ranks]
        self._shown = sorted(shown, key=lambda ranked: ranked[0])
        self._last: Entry | None = None

    def has_shown(self, message_id: str) -> bool:
        """Whether a message was among the entries before the history arrived."""
        return any(entry.id == message_id for _, entry in self._shown)

    def place(self, entries: Sequence[Entry], entry: Entry) -> int:
        """Return the index at which the caller inserts a message."""
        rank = self._ranks.get(entry.id, -1)
        earlier = [shown for of_shown, shown in self._shown if of_shown < rank]
        later = [shown for of_shown, shown in self._shown if of_shown > rank >= 0]
        before = (self._last, *earlier[-1:])
        start = 1 + max(_index(entries, shown) for shown in before)
        end = max(start, _index(entries, later[0]) if later else len(entries))
        self._last = entry
        if start:
            return _first_later(entries, entry, start, end)
        return _after_earlier(entries, entry, end)


def _index(entries: Sequence[Entry], wanted: Entry | None) -> int:
    """Return the index of an entry; -1 if there is none, or it was forgotten."""
    try:
        return -1 if wanted is None else entries.index(wanted)
    except ValueError:
        return -1


def _first_later(entries: Sequence[Entry], entry: Entry, start: int, end: int) -> int:
    """Search upwards from `start`, which is close: messages of a history follow each other."""
    place = start
    while place < end and not (entries[place].sender and entries[place].time >= entry.time):
        place += 1
    while place > start and not entries[place - 1].sender and entries[place - 1].time > entry.time:
        place -= 1
    return place


def _after_earlier(entries: Sequence[Entry], entry: Entry, end: int) -> int:
    """Search downwards from `end`, which is close unless the history is that of the beginning."""
    place = end
    while place and not (entries[place - 1].sender and entries[place - 1].time < entry.time):
        place -= 1
    while place < end and not entries[place].sender and entries[place].time <= entry.time:
        place += 1
    return place
