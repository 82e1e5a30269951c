"""Messages as the database keeps them, and the questions about them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from netd.listeners.chat.room.encoded_message import (
    HistoryEntry,
    TemplateMessage,
    message_of,
    position_of,
    timestamp,
)
from netd.listeners.chat.room.storage import Change, Query
from netd.protocols.irc import Message

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
                int(entry.now * 1000),
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


@dataclass(frozen=True, slots=True)
class LatestMessages(Query[Sequence[HistoryEntry]]):
    """The last messages of a log, oldest first, whoever could read them."""

    log: str
    count: int


def message_of_row(row: list[Any]) -> Message:
    """The message of a row: time, command, source, params, text, msgid, tags."""
    time_ms, command, source, params, text, msgid, tags = row
    other: Mapping[str, str] = json.loads(tags) if tags else {}
    return Message(
        command,
        (*params.split(), text),
        source,
        {"time": timestamp(time_ms / 1000), "msgid": msgid, **other},
    )
