"""Messages as the database keeps them, and the questions about them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from netd.listeners.chat.room.encoded_message import (
    HistoryEntry,
    TemplateMessage,
    message_of,
    milliseconds_of,
    position_of,
    timestamp_of,
)
from netd.listeners.chat.room.storage import Change, Query
from netd.protocols.irc import Message, fold

NEVER: Final = 1 << 62
"""A position after all messages."""

_OWN_COLUMNS: Final = ("time", "msgid")
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class AddMessage(Change):
    """Add a message to a log."""

    log: str
    """The folded name of the channel, or the name of the conversation."""
    id: int
    """The position of the message: it is greater than those of all earlier messages."""
    time: int
    """In milliseconds since the epoch."""
    is_open: bool
    """Whether anyone could have joined the channel to read it."""
    command: str
    source: str
    params: str
    """All parameters but the last one, with spaces between them."""
    text: str
    """The last parameter."""
    msgid: str
    tags: str = ""
    """The other tags except the time, as JSON; empty if there are none."""

    @classmethod
    def of(cls, log: str, entry: HistoryEntry, *, is_open: bool) -> Self:
        """The message of an entry of a history."""
        if type(entry) is TemplateMessage:
            template = entry.template
            msgid = template.ids.id_of(entry.number)
            return cls(
                log,
                position_of(msgid),
                milliseconds_of(entry.now),
                is_open,
                template.command,
                template.source,
                template.target,
                entry.text,
                msgid,
                _encode(template.tags) if template.tags else "",
            )
        message = message_of(entry)
        return cls.of_message(log, message, position_of(message.tags["msgid"]), is_open=is_open)

    @classmethod
    def of_message(cls, log: str, message: Message, position: int, *, is_open: bool) -> Self:
        """A message with a time and an id. Raises ValueError or KeyError if it has none."""
        *first, text = message.params
        tags = {name: value for name, value in message.tags.items() if name not in _OWN_COLUMNS}
        return cls(
            log,
            position,
            milliseconds(message.tags["time"]),
            is_open,
            message.command,
            message.source,
            " ".join(first),
            text,
            message.tags["msgid"],
            _encode(tags) if tags else "",
        )


def milliseconds(time: str) -> int:
    """A timestamp of server-time in milliseconds since the epoch. Raises ValueError."""
    return round(datetime.fromisoformat(time).timestamp() * 1000)


def time_of_entry(entry: HistoryEntry) -> int:
    """The time of an entry of a history, in milliseconds since the epoch."""
    if isinstance(entry, TemplateMessage):
        return milliseconds_of(entry.now)
    return milliseconds(entry.tags["time"])


@dataclass(frozen=True, slots=True)
class AddParty(Change):
    """Give an account a private conversation."""

    log: str
    account: str
    """The folded account."""
    other: str
    """The key of the other party (`party_key`)."""
    nick: str
    """The present nick of the other party."""


@dataclass(frozen=True, slots=True)
class AddPresence(Change):
    """Let an account read what was said in a channel between two positions."""

    channel: str
    account: str
    since: int
    until: int


@dataclass(frozen=True, slots=True)
class RemoveMessage(Change):
    """Remove a message, and its words from the index."""

    id: int


def party_key(account: str, nick: str) -> str:
    """The name of a party to private conversations: its account, or its nick after a tilde."""
    return fold(account) if account else f"~{fold(nick)}"


def conversation_name(first: str, second: str) -> str:
    """The name of the log of a private conversation; no channel has a space in its name."""
    return " ".join(sorted((first, second)))


@dataclass(frozen=True, slots=True)
class ChannelView:
    """The part of a channel's history that a member may read."""

    channel: str
    account: str
    """Whose earlier stays count; empty for none."""
    since: int
    """The position from which it may read everything."""
    begin: int
    """The position from which it may read what was said while the channel was open."""

    def shows(self, change: Change) -> bool:
        """Whether a change can be seen in it."""
        match change:
            case AddMessage(log) | AddPresence(log):
                return log == self.channel
        return isinstance(change, RemoveMessage)


@dataclass(frozen=True, slots=True)
class ConversationView:
    """A private conversation of an account."""

    account: str
    others: tuple[str, ...]
    """The keys that the other party can have."""
    nick: str
    """The folded nick that it can have had; empty if only the keys count."""

    def shows(self, change: Change) -> bool:
        """Whether a change can be seen in it."""
        return _is_private(change)


@dataclass(frozen=True, slots=True)
class AllConversations:
    """All private conversations of an account."""

    account: str

    def shows(self, change: Change) -> bool:
        """Whether a change can be seen in it."""
        return _is_private(change)


def _is_private(change: Change) -> bool:
    if isinstance(change, AddMessage):
        return not change.log.startswith("#")
    return isinstance(change, (AddParty, RemoveMessage))


View = ChannelView | ConversationView | AllConversations


@dataclass(frozen=True, slots=True)
class Bound:
    """A place in a log: a time in milliseconds, or a position if there is no time."""

    position: int = 0
    time: int | None = None

    def is_reached(self, position: int, time: int) -> bool:
        """Whether a message with a position and a time is at this place, or after it."""
        return position >= self.position if self.time is None else time >= self.time

    def is_before(self, change: Change) -> bool:
        """Whether a change adds a message that is at this place, or after it."""
        return isinstance(change, AddMessage) and self.is_reached(change.id, change.time)


@dataclass(frozen=True, slots=True)
class SelectMessages(Query[list[Message]]):
    """Messages between two bounds, oldest first.

    If the bounds are in the wrong order, both they and `from_start` are reversed.
    """

    view: View
    after: Bound | None
    before: Bound | None
    count: int
    from_start: bool
    """Whether those at the start are selected if there are more than `count`, or those at the
    end."""
    with_events: bool
    """Whether not only PRIVMSG and NOTICE are selected."""

    def awaits(self, change: Change) -> bool:
        if self.before is None or not self.view.shows(change):
            return self.view.shows(change)
        ends = (self.before, self.after) if self.after else (self.before,)
        return not all(end.is_before(change) for end in ends)


@dataclass(frozen=True, slots=True)
class MessagesAround(Query[list[Message]]):
    """Messages on both sides of a bound, oldest first."""

    view: View
    bound: Bound
    count: int
    with_events: bool

    def awaits(self, change: Change) -> bool:
        return self.view.shows(change)


@dataclass(frozen=True, slots=True)
class FindMessage(Query["Message | None"]):
    """The message with a position."""

    view: View
    position: int

    def awaits(self, change: Change) -> bool:
        is_other = isinstance(change, AddMessage) and change.id != self.position
        return not is_other and self.view.shows(change)


@dataclass(frozen=True, slots=True)
class SearchMessages(Query[list[Message]]):
    """The last messages with some words, oldest first."""

    views: tuple[View, ...]
    words: tuple[str, ...]
    """All of them are in a message."""
    sender: str
    """The folded nick of the sender; empty for any."""
    after: Bound | None
    before: Bound | None
    count: int

    def awaits(self, change: Change) -> bool:
        is_later = self.before is not None and self.before.is_before(change)
        return not is_later and any(view.shows(change) for view in self.views)


@dataclass(frozen=True, slots=True)
class Targets(Query[list[tuple[str, int]]]):
    """The channels and conversations with a message between two times, by the last message.

    The result has their names, or the other party's nick, with the time of the last message.
    """

    channels: tuple[ChannelView, ...]
    account: str
    after: int
    before: int
    count: int

    def awaits(self, change: Change) -> bool:
        return _is_private(change) or any(view.shows(change) for view in self.channels)


@dataclass(frozen=True, slots=True)
class LastPosition(Query[int]):
    """The position of the last message of all; 0 if there is none."""


@dataclass(frozen=True, slots=True)
class MessagesSince(Query[list[tuple[str, Message]]]):
    """The messages of channels after a position, oldest first, with the channel's folded name."""

    position: int
    count: int


def message_of_row(row: list[Any]) -> Message:
    """The message of a row: time, command, source, params, text, msgid, tags."""
    time_ms, command, source, params, text, msgid, tags = row
    other: Mapping[str, str] = json.loads(tags) if tags else {}
    return Message(
        command,
        (*params.split(), text),
        source,
        {"time": timestamp_of(time_ms), "msgid": msgid, **other},
    )
