"""The messages that clients miss while they are not in the room, until they have returned.

A channel keeps only its last messages, and those of a channel that is left by all members are gone
with it, as are those of one that is created again. So a host takes note of the messages while it
reads the log.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from netd.listeners.chat.room.channel import Channel
from netd.listeners.chat.room.encoded_message import (
    EncodedMessage,
    HistoryEntry,
    message_of,
    position_of_entry,
)
from netd.listeners.chat.room.state import RoomState
from netd.listeners.chat.room.stored_message import NEVER

_LINE_BYTES: Final = 200  # of a line, besides its text


@dataclass(frozen=True, slots=True)
class Said:
    """A message, with the channel in which it was said: a channel can be created again."""

    position: int
    entry: HistoryEntry
    channel: Channel


@dataclass(slots=True)
class _Watched:
    """The messages of a channel that are kept here, and the positions of dropped ones."""

    noted: int
    """The position of the last message that was taken."""
    said: deque[Said] = field(default_factory=deque)
    first_dropped: int = 0
    last_dropped: int = 0

    def note_lack(self, position: int) -> None:
        """A message is not kept."""
        self.first_dropped = self.first_dropped or position
        self.last_dropped = position

    def has_all(self, after: int, begin: int) -> bool:
        """Whether no message after a position was dropped, or all are in a history from `begin`."""
        return self.last_dropped <= after or begin <= max(self.first_dropped, after)


class MissedMessages:
    """The messages of the watched channels; past a number of bytes, the oldest are dropped."""

    def __init__(self) -> None:
        self._watched: dict[str, _Watched] = {}  # by the folded name
        self._said: deque[Said] = deque()  # of all channels, oldest first
        self._bytes = 0
        self._collected = 0  # the last number of a message when all channels were looked at
        self._given = 0  # the position of the last message that clients of this host have got

    def note_given(self, position: int) -> int:
        """Clients of this host have got the messages up to a position; returns the latest one.

        After the engine has lost messages, that of the room can be earlier. The lost messages can
        come back with a channel that another host restores, and are not given once more.
        """
        self._given = max(self._given, position)
        return self._given

    def watch(self, room: RoomState, names: Iterable[str]) -> None:
        """Take note from now on of what is said in channels, by their folded names."""
        for name in names:
            if name not in self._watched:
                self._watched[name] = _Watched(room.ids.position)

    def clear(self) -> None:
        """Forget all: all clients have returned."""
        self._watched.clear()
        self._said.clear()
        self._bytes = self._collected = 0

    def make_room(self, room: RoomState) -> None:
        """Look at all channels if the next input could displace new messages of their histories."""
        if room.ids.last_number - self._collected >= room.settings.limits.history_lines:
            self.collect(room)

    def collect(self, room: RoomState) -> None:
        """Take the new messages of all watched channels."""
        self._collected = room.ids.last_number
        for name in self._watched:
            if name in room.channels:
                self.collect_from(room, room.channels[name])

    def collect_from(self, room: RoomState, channel: Channel) -> None:
        """Take the new messages of a channel, for example before it is removed."""
        watched = self._watched.get(channel.folded)
        if watched is None:
            return
        limits = room.settings.limits
        new = [*_since(channel, watched.noted)]
        if new and len(new) == limits.history_lines:
            watched.note_lack(new[-1].position - 1)  # there can have been more
        for said in reversed(new):
            watched.noted = said.position
            watched.said.append(said)
            self._said.append(said)
            self._bytes += _size(said.entry)
        while self._bytes > limits.ghost_bytes // 2:
            oldest = self._said.popleft()
            self._bytes -= _size(oldest.entry)
            its = self._watched[oldest.channel.folded]
            its.said.popleft()
            its.note_lack(oldest.position)

    def since(self, channel: Channel, position: int) -> tuple[list[Said], bool]:
        """The messages of all channels of that name after a position; and whether these are all."""
        watched, kept = self._watched.get(channel.folded), channel.history.entries
        begin = position_of_entry(kept[0]) if kept else NEVER
        found = {
            said.position: said
            for said in (watched.said if watched is not None else ())
            if said.position > position
            and not (said.channel is channel and said.position >= begin)  # or it was deleted
        }
        for said in _since(channel, position):
            found.setdefault(said.position, said)  # a channel that returns has earlier messages
        has_all = watched is None or watched.has_all(position, begin)
        self.note_given(max(found, default=0))
        return [found[key] for key in sorted(found)], has_all


def _since(channel: Channel, position: int) -> Iterator[Said]:
    """The messages in the history of a channel after a position, newest first."""
    for entry in reversed(channel.history.entries):
        at = position_of_entry(entry)
        if at <= position:
            return
        yield Said(at, entry, channel)


def _size(entry: HistoryEntry) -> int:
    body = len(entry.body) if isinstance(entry, EncodedMessage) else len(str(message_of(entry)))
    return _LINE_BYTES + body
