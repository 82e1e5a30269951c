"""Who is in which channel, and who spoke last; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Fold = Callable[[str], str]


@dataclass(slots=True)
class Channel:
    """One channel we are in: its members by folded nick, and the order in which they spoke."""

    name: str
    _fold: Fold
    members: dict[str, str] = field(default_factory=dict)
    _spoken: dict[str, int] = field(default_factory=dict)
    _said: int = 0

    def add(self, nick: str) -> None:
        """Somebody is here."""
        self.members[self._fold(nick)] = nick

    def remove(self, nick: str) -> bool:
        """Somebody is not; True if they were."""
        self._spoken.pop(self._fold(nick), None)
        return self.members.pop(self._fold(nick), None) is not None

    def rename(self, old: str, new: str) -> bool:
        """Somebody has another nick, and keeps their place among the speakers; True if here."""
        spoken = self._spoken.get(self._fold(old), 0)
        if not self.remove(old):
            return False
        self.add(new)
        self._spoken[self._fold(new)] = spoken
        return True

    def spoke(self, nick: str) -> None:
        """Somebody is now the last to have spoken."""
        if self._fold(nick) in self.members:
            self._said += 1
            self._spoken[self._fold(nick)] = self._said

    def by_last_spoken(self) -> list[str]:
        """Everybody here, the last speaker first, the silent by name."""
        keys = sorted(self.members, key=lambda key: (-self._spoken.get(key, 0), key))
        return [self.members[key] for key in keys]


class Roster:
    """The channels we are in, in the order we came."""

    def __init__(self, fold: Fold) -> None:
        self._fold = fold
        self._channels: dict[str, Channel] = {}

    def __contains__(self, name: str) -> bool:
        return self._fold(name) in self._channels

    def __iter__(self) -> Iterator[Channel]:
        return iter(self._channels.values())

    def __len__(self) -> int:
        return len(self._channels)

    def get(self, name: str) -> Channel | None:
        """A channel we are in."""
        return self._channels.get(self._fold(name))

    def enter(self, name: str) -> Channel:
        """We are in a channel; nobody is known in it yet."""
        self._channels[self._fold(name)] = channel = Channel(name, self._fold)
        return channel

    def leave(self, name: str) -> None:
        """We are not."""
        self._channels.pop(self._fold(name), None)

    def clear(self) -> None:
        """We are in none."""
        self._channels.clear()
