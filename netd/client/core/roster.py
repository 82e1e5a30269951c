"""The channels that the client has joined, their members, and the order in which they spoke."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

MAX_MEMBERS: Final = 100_000  # of all channels together: bounds the names of a hostile server

Fold = Callable[[str], str]


@dataclass(slots=True)
class JoinedChannel:
    """A channel that the client has joined."""

    name: str
    _fold: Fold
    _has_room: Callable[[], bool]
    _members: dict[str, str] = field(default_factory=dict)  # folded nick -> nick
    _last_spoke: dict[str, int] = field(default_factory=dict)  # folded nick -> message number
    _messages: int = 0
    _prefixes: dict[str, str] = field(default_factory=dict)  # folded nick -> such as "@+"
    _away: set[str] = field(default_factory=set)  # folded nicks
    changes: int = 0
    """The number of changes of the members, their prefixes and their absence."""
    names_are_wanted: bool = False
    """Whether the user has requested the names of all members."""

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, nick: str) -> bool:
        return self._fold(nick) in self._members

    def add(self, nick: str, prefix: str = "") -> None:
        """Add a member; ignore it if the roster is full."""
        if self._has_room():
            self._members[self._fold(nick)] = nick
            self.set_prefix(nick, prefix)

    def remove(self, nick: str) -> bool:
        """Remove a member; return whether the nick was a member."""
        self._last_spoke.pop(self._fold(nick), None)
        self._prefixes.pop(self._fold(nick), None)
        self._away.discard(self._fold(nick))
        self.changes += 1
        return self._members.pop(self._fold(nick), None) is not None

    def rename(self, old: str, new: str) -> None:
        """Replace a member's nick, and keep its prefix and its place in the speaking order."""
        last_spoke, prefix = self._last_spoke.get(self._fold(old), 0), self.prefix(old)
        was_away = self.is_away(old)
        if self.remove(old):
            self.add(new, prefix)
            self.set_away(new, is_away=was_away)
            self._last_spoke[self._fold(new)] = last_spoke

    def prefix(self, nick: str) -> str:
        """Return the prefixes of a member, the highest first, such as "@+"."""
        return self._prefixes.get(self._fold(nick), "")

    def set_prefix(self, nick: str, prefix: str) -> None:
        """Replace the prefixes of a member."""
        self.changes += 1
        if prefix and self._fold(nick) in self._members:
            self._prefixes[self._fold(nick)] = prefix
        else:
            self._prefixes.pop(self._fold(nick), None)

    def is_away(self, nick: str) -> bool:
        """Whether a member is away, as far as the server has said."""
        return self._fold(nick) in self._away

    def set_away(self, nick: str, *, is_away: bool) -> None:
        """Take note that a member is away or back."""
        folded = self._fold(nick)
        if folded not in self._members or is_away == (folded in self._away):
            return
        self.changes += 1
        (self._away.add if is_away else self._away.discard)(folded)

    def members_by_rank(self, ranks: str) -> list[str]:
        """Return the members with their highest prefix, in the order of `ranks`, then by name."""
        shown = []
        for folded, nick in self._members.items():
            prefix = self._prefixes.get(folded, "")[:1]
            rank = ranks.find(prefix) if prefix else -1
            shown.append((len(ranks) if rank < 0 else rank, folded, prefix + nick))
        return [nick for _, _, nick in sorted(shown)]

    def note_message(self, nick: str) -> None:
        """Record that a member has spoken."""
        if self._fold(nick) in self._members:
            self._messages += 1
            self._last_spoke[self._fold(nick)] = self._messages

    def members_by_last_message(self) -> list[str]:
        """Return the members, the last speaker first, the silent ones by name."""
        keys = sorted(self._members, key=lambda key: (-self._last_spoke.get(key, 0), key))
        return [self._members[key] for key in keys]


class Roster:
    """The joined channels in the order of joining."""

    def __init__(self, fold: Fold) -> None:
        self._fold = fold
        self._channels: dict[str, JoinedChannel] = {}

    def __contains__(self, name: str) -> bool:
        return self._fold(name) in self._channels

    def __iter__(self) -> Iterator[JoinedChannel]:
        return iter(self._channels.values())

    def __len__(self) -> int:
        return len(self._channels)

    def get(self, name: str) -> JoinedChannel | None:
        """Return a joined channel."""
        return self._channels.get(self._fold(name))

    def is_away(self, nick: str) -> bool:
        """Whether a member of any of the channels is away."""
        return any(channel.is_away(nick) for channel in self)

    def first_name(self) -> str:
        """Return the name of the channel joined first; empty if there is none."""
        return next((channel.name for channel in self), "")

    def join(self, name: str) -> JoinedChannel:
        """Add a channel, still without members."""
        self._channels[self._fold(name)] = channel = JoinedChannel(name, self._fold, self._has_room)
        return channel

    def leave(self, name: str) -> None:
        """Remove a channel."""
        self._channels.pop(self._fold(name), None)

    def clear(self) -> None:
        """Remove every channel."""
        self._channels.clear()

    def _has_room(self) -> bool:
        return sum(map(len, self)) < MAX_MEMBERS
