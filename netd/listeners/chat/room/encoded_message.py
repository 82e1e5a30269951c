"""A message to many members: encoded once for each set of tag capabilities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from netd.listeners.chat.room.capability import may_see
from netd.protocols.irc import Message, format_body, format_tags

_END: Final = b"\r\n"


class MessageIds:
    """Numbers messages and batches. `identity` differs from that of any earlier room."""

    __slots__ = ("_identity", "last_number")

    def __init__(self, identity: str) -> None:
        self._identity = identity
        self.last_number = 0

    def next_id(self) -> str:
        """An id that was never used before."""
        self.last_number += 1
        return self.id_of(self.last_number)

    def id_of(self, number: int) -> str:
        """The id with a number."""
        return f"{self._identity}{number:x}"


class EncodedMessage:
    """A message and its bytes, for each set of tag capabilities."""

    __slots__ = ("_by_caps", "_message", "_now", "body")

    def __init__(self, message: Message, now: float) -> None:
        self._message = message
        self._now = now
        self._by_caps: dict[int, bytes] | None = None
        self.body = format_body(message)

    @property
    def message(self) -> Message:
        """The message itself."""
        return self._message

    def bytes_for(self, tag_caps: int) -> bytes:
        """The line for a client with these capabilities."""
        if not tag_caps:
            return self.body
        if self._by_caps is None:
            self._by_caps = {}
        data = self._by_caps.get(tag_caps)
        if data is None:
            data = self._by_caps[tag_caps] = self._encode(tag_caps)
        return data

    def _encode(self, tag_caps: int) -> bytes:
        tags = {"time": timestamp(self._now), **self.message.tags}
        seen = {name: value for name, value in tags.items() if may_see(tag_caps, name)}
        return format_tags(seen).encode() + self.body


@dataclass(frozen=True, slots=True)
class MessageTemplate:
    """The parts that a member's messages to one channel share: all except text, time and id."""

    command: str
    target: str
    source: str
    tags: Mapping[str, str]
    ids: MessageIds
    head: bytes  # the line up to its text


class TemplateMessage(EncodedMessage):
    """A message whose bytes come from a template; `message` makes the Message when needed."""

    __slots__ = ("_made", "_number", "_template")

    def __init__(self, template: MessageTemplate, text: bytes, now: float) -> None:
        # Hot: makes no call, not even to the base class.
        ids = template.ids
        ids.last_number = self._number = ids.last_number + 1
        self.body = template.head + text + _END
        self._now = now
        self._template = template
        self._by_caps = None
        self._made: Message | None = None

    @property
    def message(self) -> Message:
        """The same message as the command table makes."""
        if self._made is None:
            template = self._template
            text = self.body[len(template.head) : -len(_END)].decode()
            msgid = template.ids.id_of(self._number)
            tags = {"time": timestamp(self._now), "msgid": msgid, **template.tags}
            params = (template.target, text)
            self._made = Message(template.command, params, template.source, tags)
        return self._made


HistoryEntry = Message | TemplateMessage


def message_of(entry: HistoryEntry) -> Message:
    """The message of an entry of a channel's history."""
    return entry if isinstance(entry, Message) else entry.message


def timestamp(now: float) -> str:
    """Seconds since the epoch in the format of server-time."""
    whole = int(now)
    return f"{_second(whole)}.{int((now - whole) * 1000):03d}Z"


@lru_cache(maxsize=16)
def _second(whole: int) -> str:
    return datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S")
