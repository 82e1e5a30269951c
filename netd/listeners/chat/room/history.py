"""Message history: how CHATHISTORY selects from it, and the private conversations of accounts."""

from __future__ import annotations

import enum
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from netd.listeners.chat.room.encoded_message import (
    HistoryEntry,
    TemplateMessage,
    message_of,
    position_of,
    position_of_entry,
)
from netd.listeners.chat.room.memory import MESSAGE_BYTES, TAG_BYTES, Memory
from netd.listeners.chat.room.multiline import is_multiline
from netd.listeners.chat.room.storage import Change
from netd.listeners.chat.room.stored_message import (
    NEVER,
    AddMessage,
    AddParty,
    Bound,
    MessagesAround,
    SelectMessages,
    View,
    conversation_name,
    milliseconds,
    party_key,
    time_of_entry,
)
from netd.protocols.irc import Message

_FORMS = 4  # in which a long message is in memory
MAX_CONVERSATIONS = 64  # of one account
_TEXT_COMMANDS = ("PRIVMSG", "NOTICE")

Log = Sequence[Message]


class ReferenceKind(enum.Enum):
    """The form in which a reference names a position in a log."""

    MSGID = "msgid"
    TIMESTAMP = "timestamp"


@dataclass(frozen=True, slots=True)
class Reference:
    """A position in a log: `msgid=...` or `timestamp=...`."""

    kind: ReferenceKind
    value: str

    def start(self, log: Log) -> int:
        """The number of messages before this position."""
        if self.kind is ReferenceKind.TIMESTAMP:
            return bisect_left(log, self.value, key=_time)
        return self._index(log)

    def end(self, log: Log) -> int:
        """The number of messages before this position and at it."""
        if self.kind is ReferenceKind.TIMESTAMP:
            return bisect_right(log, self.value, key=_time)
        return self._index(log) + 1

    def bound(self) -> Bound:
        """The same position in the database. Raises ValueError if it is malformed."""
        if self.kind is ReferenceKind.TIMESTAMP:
            return Bound(time=milliseconds(self.value))
        return Bound(position_of(self.value) or NEVER)

    def _index(self, log: Log) -> int:
        for index, message in enumerate(log):
            if message.tags["msgid"] == self.value:
                return index
        return len(log)  # an id that is not (or no longer) in the log has no message after it


def _time(message: Message) -> str:
    return message.tags["time"]


def parse_reference(text: str) -> Reference | None:
    """Read a parameter of CHATHISTORY; None if it is not a reference."""
    kind, _, value = text.partition("=")
    kinds = [known for known in ReferenceKind if known.value == kind]
    return Reference(kinds[0], value) if kinds and value else None


def latest(log: Log, reference: Reference | None, count: int) -> Log:
    """The last messages, but only those after the reference."""
    return log[reference.end(log) if reference else 0 :][-count:]


def before(log: Log, reference: Reference, count: int) -> Log:
    """The last messages before the reference."""
    return log[: reference.start(log)][-count:]


def after(log: Log, reference: Reference, count: int) -> Log:
    """The first messages after the reference."""
    return log[reference.end(log) :][:count]


def between(log: Log, first: Reference, second: Reference, count: int) -> Log:
    """The messages between two references; if there are too many, those near the first."""
    if first.start(log) <= second.start(log):
        return log[first.end(log) : second.start(log)][:count]
    return log[second.end(log) : first.start(log)][-count:]


def around(log: Log, reference: Reference, count: int) -> Log:
    """The messages on both sides of the reference."""
    start = max(0, reference.start(log) - count // 2)
    return log[start : start + count]


_CHOOSERS: dict[str, Callable[[Log, Sequence[Reference], int], Log]] = {
    "LATEST": lambda log, refs, count: latest(log, refs[0] if refs else None, count),
    "BEFORE": lambda log, refs, count: before(log, refs[0], count),
    "AFTER": lambda log, refs, count: after(log, refs[0], count),
    "AROUND": lambda log, refs, count: around(log, refs[0], count),
    "BETWEEN": lambda log, refs, count: between(log, refs[0], refs[1], count),
}


@dataclass(frozen=True, slots=True)
class Selection:
    """The messages of a log that CHATHISTORY requests."""

    subcommand: str
    references: tuple[Reference, ...]
    """None for `LATEST *`."""
    count: int

    def choose(self, log: Log) -> Log:
        """The messages of a log that are requested."""
        return _CHOOSERS[self.subcommand](log, self.references, self.count)

    def is_within(self, log: Log, chosen: Log) -> bool:
        """Whether no message before the log is requested, if these are the chosen ones of it."""
        reaches = bool(log) and all(_reaches(log, reference) for reference in self.references)
        match self.subcommand:
            case "LATEST":
                return len(chosen) == self.count or (reaches and bool(self.references))
            case "BEFORE":
                return reaches and len(chosen) == self.count
            case "AROUND":
                return reaches and self.references[0].start(log) >= self.count // 2
        return reaches

    def begins_before(self, entry: HistoryEntry) -> bool:
        """Whether messages before an entry are requested, or the entry is the first one."""
        position, time = position_of_entry(entry), time_of_entry(entry)
        bounds = [reference.bound() for reference in self.references]
        return self.subcommand != "LATEST" and any(
            bound.is_reached(position, time) for bound in bounds
        )

    def query(self, view: View, *, with_events: bool) -> SelectMessages | MessagesAround:
        """The same request to the database. Raises ValueError if a reference is malformed."""
        bounds = [reference.bound() for reference in self.references]
        first = bounds[0] if bounds else None
        if self.subcommand == "AROUND" and first is not None:
            return MessagesAround(view, first, self.count, with_events)
        is_before = self.subcommand == "BEFORE"
        return SelectMessages(
            view,
            after=None if is_before else first,
            before=first if is_before else bounds[1] if len(bounds) > 1 else None,
            count=self.count,
            from_start=self.subcommand in ("AFTER", "BETWEEN"),
            with_events=with_events,
        )


def _reaches(log: Log, reference: Reference) -> bool:
    """Whether a log begins before a reference."""
    if reference.kind is ReferenceKind.TIMESTAMP:
        return _time(log[0]) <= reference.value
    return any(message.tags["msgid"] == reference.value for message in log)


def visible(log: Log, *, events: bool) -> list[Message]:
    """The messages that a client may get: text only, or events too (event-playback)."""
    return [message for message in log if events or message.command in _TEXT_COMMANDS]


class History:
    """The last messages of a channel or conversation; the room's memory includes them.

    When the memory is full, a new message replaces the oldest message of this history.
    """

    __slots__ = ("_max_lines", "_memory", "bytes", "entries", "is_steady")

    def __init__(self, max_lines: int, memory: Memory) -> None:
        self._max_lines = max_lines
        self._memory = memory
        self.entries: deque[HistoryEntry] = deque(maxlen=max_lines)
        """The messages, oldest first."""
        self.bytes = 0
        """The memory of the messages."""
        self.is_steady = False
        """True if a TemplateMessage can be added to `entries` itself: it takes the place of another
        one, and these all count the same. Almost always true in a busy channel."""

    def append(self, entry: HistoryEntry) -> None:
        """Add a message."""
        if not self._max_lines:
            return
        if len(self.entries) == self._max_lines or (self.entries and self._memory.is_full):
            self.drop(1)
        self.entries.append(entry)
        self._count(kept_bytes(entry))
        self._check_steady()

    def restore(self, entries: Iterable[HistoryEntry]) -> None:
        """Add saved messages to an empty history, even if the memory is full."""
        self.entries.extend(entries)
        self._count(sum(map(kept_bytes, self.entries)))
        self._check_steady()

    def _check_steady(self) -> None:
        is_full = len(self.entries) == self._max_lines
        self.is_steady = is_full and self.bytes == MESSAGE_BYTES * self._max_lines

    def set_lines(self, count: int) -> None:
        """Keep at most `count` messages from now on."""
        self.drop(len(self.entries) - count)
        self._max_lines = count
        self.entries = deque(self.entries, maxlen=count)
        self.is_steady = False

    def drop(self, count: int) -> None:
        """Remove the oldest messages."""
        self.is_steady = False
        for _ in range(count):
            self._count(-kept_bytes(self.entries.popleft()))

    def remove(self, entry: HistoryEntry) -> None:
        """Remove a message, if it is still there."""
        for index, kept in enumerate(self.entries):
            if kept is entry:
                self.is_steady = False
                self._count(-kept_bytes(entry))
                del self.entries[index]
                return

    def _count(self, size: int) -> None:
        self.bytes += size
        self._memory.kept += size


def kept_bytes(entry: HistoryEntry) -> int:
    """The estimated memory of a message; the same for all messages of the fast path."""
    if type(entry) is TemplateMessage:
        return MESSAGE_BYTES
    message = message_of(entry)
    tags = message.tags
    size = MESSAGE_BYTES + sum(TAG_BYTES + len(name) + len(tags[name]) for name in tags)
    return size + _FORMS * len(message.params[-1]) if is_multiline(message) else size


class PrivateHistory:
    """The private conversations of one account, by the nick of the other member."""

    def __init__(self, lines: int, memory: Memory) -> None:
        self._lines = lines
        self._memory = memory
        self.conversations: dict[str, tuple[str, History]] = {}  # folded -> nick, log

    def set_lines(self, count: int) -> None:
        """Keep at most `count` messages of a conversation from now on."""
        self._lines = count
        for _, log in self.conversations.values():
            log.set_lines(count)

    def add(self, folded: str, nick: str, message: Message) -> None:
        """Add a message to a conversation; past the limit, the oldest conversation is dropped."""
        _, log = self.conversations.pop(folded, (nick, History(self._lines, self._memory)))
        log.append(message)
        self.conversations[folded] = (nick, log)
        if len(self.conversations) > MAX_CONVERSATIONS:
            _, oldest = self.conversations.pop(next(iter(self.conversations)))
            oldest.set_lines(0)


def private_messages(histories: Mapping[str, PrivateHistory]) -> Iterator[Change]:
    """The changes that store the private messages in memory, by account."""
    for account, private in list(histories.items()):
        for folded, (nick, log) in list(private.conversations.items()):
            key = party_key(folded if folded in histories else "", nick)
            name = conversation_name(account, key)
            for entry in list(log.entries):
                yield AddMessage.of(name, entry, is_open=False)
            yield AddParty(name, account, key, nick)
