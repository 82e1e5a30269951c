"""The conversations of the user: the server, channels and users; which one is current or unread.

Conversations are numbered from 1 in the order in which they were opened; number 1 is the server.
A message is unread until the user has seen it, here or on another device (MARKREAD).
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from netd.client.core.history_order import HistoryOrder

MAX_CONVERSATIONS: Final = 200  # that other users may open, too
MAX_UNREAD: Final = 1000
MAX_REFERENCES: Final = 200
MAX_REMEMBERED_IDS: Final = 1000
MAX_OLDEST: Final = 100  # messages of one millisecond
SERVER: Final = ""

Fold = Callable[[str], str]


class ConversationKind(enum.Enum):
    """The kinds of conversations."""

    SERVER = enum.auto()
    CHANNEL = enum.auto()
    PRIVATE = enum.auto()


@dataclass(frozen=True, slots=True)
class Reference:
    """A message that the user may answer, react to or delete."""

    id: str
    sender: str
    text: str
    mine: bool
    time: str = ""  # the server's


@dataclass(frozen=True, slots=True)
class _Unread:
    time: str
    is_mention: bool


@dataclass(slots=True, eq=False)
class Conversation:
    """One conversation; `name` is empty for the server's."""

    name: str
    kind: ConversationKind
    newest: str = ""  # the server's time of the newest message
    oldest: str = ""  # the same of the oldest one
    oldest_ids: set[str] = field(default_factory=set)  # of the messages of that time
    page_ids: tuple[str, ...] = ()  # of the latest part of the history that has arrived
    page_until: str = ""  # the server's time of its last message
    asked_before: str | None = None  # what was said before this time was requested
    wants_earlier: bool = False  # the user waits for such messages
    read_until: str = ""  # the server's time up to which the user has read, on any device
    topic: str = ""
    away: str = ""  # the user's reason for being away that was shown
    draft: str = ""  # typed and not sent, while another conversation is current
    first_unread_at: int = 0  # the order in which conversations became unread
    references: list[Reference] = field(default_factory=list)  # the newest messages, in order
    _ids: dict[str, None] = field(default_factory=dict)  # of the messages that have arrived
    _unread: deque[_Unread] = field(default_factory=lambda: deque(maxlen=MAX_UNREAD))

    @property
    def unread(self) -> int:
        """The number of unread messages, at most MAX_UNREAD."""
        return len(self._unread)

    @property
    def mentions(self) -> int:
        """The number of unread messages that are addressed to the user."""
        return sum(message.is_mention for message in self._unread)

    def record_id(self, message_id: str) -> bool:
        """Remember a message's id; return False if it was known."""
        if message_id in self._ids or message_id in self.oldest_ids:
            return False
        self._ids[message_id] = None
        if len(self._ids) > MAX_REMEMBERED_IDS:
            del self._ids[next(iter(self._ids))]
        return True

    def _note_oldest(self, time: str, message_id: str) -> None:
        if not self.oldest or time < self.oldest:
            self.oldest, self.oldest_ids = time, set()
        if time == self.oldest and message_id and len(self.oldest_ids) < MAX_OLDEST:
            self.oldest_ids.add(message_id)

    def add_reference(self, reference: Reference, order: HistoryOrder | None = None) -> None:
        """Add a message as the newest one, or at its place in the order of a history."""
        references = self.references
        place = order.place(references, reference) if order else len(references)
        references.insert(place, reference)
        del references[:-MAX_REFERENCES]

    def note_message(
        self, time: str, message_id: str = "", *, is_mention: bool, is_seen: bool
    ) -> bool:
        """Count a message; return whether it is unread."""
        self.newest = max(self.newest, time)
        if time:
            self._note_oldest(time, message_id)
        if is_seen or (time and time <= self.read_until):
            return False
        self._unread.append(_Unread(time, is_mention))
        return True

    def see(self) -> None:
        """Count all messages as read on this screen."""
        self._unread.clear()

    def mark_read(self, until: str) -> None:
        """Adopt the time up to which the user has read on any device."""
        self.read_until = max(self.read_until, until)
        kept = [m for m in self._unread if not m.time or m.time > self.read_until]
        self._unread = deque(kept, MAX_UNREAD)

    def reference(self, message_id: str) -> Reference | None:
        """Return the message with this id, if it was shown lately."""
        return next((r for r in reversed(self.references) if r.id == message_id), None)


class Conversations:
    """The open conversations, of which one is current; `fold` compares names."""

    def __init__(self, fold: Fold, is_channel: Callable[[str], bool]) -> None:
        self._fold, self._is_channel = fold, is_channel
        server = Conversation(SERVER, ConversationKind.SERVER)
        self._open: dict[str, Conversation] = {SERVER: server}
        self.current = self.previous = server
        self._unread_events = 0

    def __iter__(self) -> Iterator[Conversation]:
        return iter(self._open.values())

    def __len__(self) -> int:
        return len(self._open)

    @property
    def server(self) -> Conversation:
        """The conversation with the server, which cannot be closed."""
        return self._open[SERVER]

    def get(self, name: str) -> Conversation | None:
        """Return an open conversation."""
        return self._open.get(self._fold(name))

    def open(self, name: str) -> Conversation:
        """Return a conversation, and open it if it is not open; the server's if there are many."""
        found = self.get(name)
        if found is None:
            if len(self._open) >= MAX_CONVERSATIONS:
                return self.server
            kind = ConversationKind.PRIVATE
            if self._is_channel(name):
                kind = ConversationKind.CHANNEL
            found = self._open[self._fold(name)] = Conversation(name, kind)
        return found

    def switch(self, name: str) -> Conversation:
        """Make a conversation the current one, opened if it is not."""
        found = self.open(name)
        if found is not self.current:
            self.previous, self.current = self.current, found
        return found

    def close(self, name: str) -> bool:
        """Close a conversation; the current one becomes the previous or the one before it."""
        found = self.get(name)
        if found is None or found is self.server:
            return False
        place = self.number(found) - 1
        del self._open[self._fold(name)]
        if self.previous is found:
            self.previous = self.server
        if self.current is found:
            last = self.previous if self.previous is not self.server else self.at(place)
            self.current = last or self.server
            self.previous = self.server
        return True

    def rename(self, old: str, new: str) -> None:
        """Follow a user to a new nick, unless a conversation has that name."""
        found = self.get(old)
        if found is None or found.kind is not ConversationKind.PRIVATE:
            return
        if self._fold(old) != self._fold(new) and self.get(new) is not None:
            return
        found.name = new
        self.refold()

    def refold(self) -> None:
        """Compare the names anew: one has changed, or the way in which they are folded."""
        self._open = {self._fold(c.name): c for c in self._open.values()}

    def number(self, conversation: Conversation) -> int:
        """Return the number of an open conversation, from 1."""
        return 1 + list(self._open.values()).index(conversation)

    def at(self, number: int) -> Conversation | None:
        """Return the conversation with a number."""
        conversations = list(self._open.values())
        return conversations[number - 1] if 0 < number <= len(conversations) else None

    def step(self, by: int) -> Conversation:
        """Return the conversation so many places after the current one, around the end."""
        conversations = list(self._open.values())
        return conversations[(conversations.index(self.current) + by) % len(conversations)]

    def next_unread(self) -> Conversation | None:
        """Return the conversation to read next: mentions first, then the one unread longest."""
        unread = [c for c in self if c.unread and c is not self.current]
        return min(unread, key=lambda c: (not c.mentions, c.first_unread_at), default=None)

    def find(self, words: str) -> Conversation | None:
        """Return the conversation that a user names by number, name or part of the name."""
        if words.isascii() and words.isdecimal():
            return self.at(int(words[:6]))
        wanted = self._fold(words)
        if wanted in ("server", "status"):
            return self.get(words) or self.server
        if not wanted:
            return None
        return self.get(words) or next((c for c in self if wanted in self._fold(c.name)), None)

    def note_message(
        self,
        conversation: Conversation,
        time: str,
        message_id: str = "",
        *,
        is_mention: bool,
        is_seen: bool,
    ) -> bool:
        """Count a message in a conversation; return whether it is unread."""
        was_unread = conversation.unread
        is_unread = conversation.note_message(
            time, message_id, is_mention=is_mention, is_seen=is_seen
        )
        if is_unread and not was_unread:
            self._unread_events += 1
            conversation.first_unread_at = self._unread_events
        return is_unread
