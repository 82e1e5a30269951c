"""What was said: bounded logs, and the ways CHATHISTORY selects from them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from netd.protocols.irc import Message

MAX_CONVERSATIONS = 64  # of each account
_SAID = ("PRIVMSG", "NOTICE")

Log = Sequence[Message]


@dataclass(frozen=True, slots=True)
class Reference:
    """A place in a log: `msgid=...` or `timestamp=...`."""

    kind: str
    value: str

    def before(self, log: Log) -> int:
        """How many messages stand before this place."""
        if self.kind == "timestamp":
            return bisect_left(log, self.value, key=_time)
        return self._index(log)

    def through(self, log: Log) -> int:
        """How many messages stand before this place or at it."""
        if self.kind == "timestamp":
            return bisect_right(log, self.value, key=_time)
        return self._index(log) + 1

    def _index(self, log: Log) -> int:
        for index, message in enumerate(log):
            if message.tags["msgid"] == self.value:
                return index
        return len(log)  # forgotten or never known: nothing is after it


def _time(message: Message) -> str:
    return message.tags["time"]


def parse_reference(text: str) -> Reference | None:
    """The reference a parameter names; None if it names none."""
    kind, _, value = text.partition("=")
    return Reference(kind, value) if kind in ("msgid", "timestamp") and value else None


def latest(log: Log, after: Reference | None, count: int) -> Log:
    """The last messages, those up to a reference left out."""
    return log[after.through(log) if after else 0 :][-count:]


def before(log: Log, reference: Reference, count: int) -> Log:
    """The last messages before a reference."""
    return log[: reference.before(log)][-count:]


def after(log: Log, reference: Reference, count: int) -> Log:
    """The first messages after a reference."""
    return log[reference.through(log) :][:count]


def between(log: Log, one: Reference, other: Reference, count: int) -> Log:
    """Messages between two references, counted from the one named first."""
    if one.before(log) <= other.before(log):
        return log[one.through(log) : other.before(log)][:count]
    return log[other.through(log) : one.before(log)][-count:]


def around(log: Log, reference: Reference, count: int) -> Log:
    """Messages on both sides of a reference."""
    start = max(0, reference.before(log) - count // 2)
    return log[start : start + count]


def visible(log: deque[Message], *, events: bool) -> list[Message]:
    """A log as a client may see it: words only, or events too (event-playback)."""
    return [each for each in log if events or each.command in _SAID]


class Mailbox:
    """The private conversations of one account, by the other's nick."""

    def __init__(self, lines: int) -> None:
        self._lines = lines
        self.logs: dict[str, tuple[str, deque[Message]]] = {}

    def keep_lines(self, count: int) -> None:
        """Remember so many lines of each conversation from now on."""
        if count != self._lines:
            self._lines = count
            self.logs = {
                folded: (nick, deque(log, maxlen=count))
                for folded, (nick, log) in self.logs.items()
            }

    def keep(self, folded: str, nick: str, message: Message) -> None:
        """Add to a conversation; the one that is silent longest makes room for a new one."""
        _, log = self.logs.pop(folded, (nick, deque[Message](maxlen=self._lines)))
        log.append(message)
        self.logs[folded] = (nick, log)
        if len(self.logs) > MAX_CONVERSATIONS:
            del self.logs[next(iter(self.logs))]
