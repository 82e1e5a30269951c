"""A message to many members: encoded once for each set of tag capabilities."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Self

from netd.listeners.chat.room.capability import may_see
from netd.listeners.chat.room.multiline import encode_multiline, is_multiline
from netd.protocols.irc import Message, format_body, format_tags

_END: Final = b"\r\n"
_ID = re.compile(r"(?:([0-9a-f]{1,16})-|.*?)([0-9a-f]{1,12})")
_NS_PER_MS: Final = 1_000_000
_EPOCH_MS: Final = 1_577_836_800_000  # 2020, so that a position has 63 bits until 2089
_NUMBER_BITS: Final = 22  # the room of a later millisecond has greater positions
_MAX_POSITION: Final = (1 << 63) - 1


class MessageIds:
    """Numbers messages and batches.

    `identity` differs from that of any earlier room: the time of the room in nanoseconds,
    hexadecimal, and a dash.
    """

    __slots__ = ("identity", "last_number")

    def __init__(self, identity: str) -> None:
        self.identity = identity
        self.last_number = 0

    def next_id(self) -> str:
        """An id that was never used before."""
        self.last_number += 1
        return self.id_of(self.last_number)

    def id_of(self, number: int) -> str:
        """The id with a number."""
        return f"{self.identity}{number:x}"

    def advance_beyond(self, position: int) -> None:
        """Take another identity if messages of an earlier room have later positions.

        As the identity is a time, that is so when the clock was set back meanwhile.
        """
        if self.position <= position:
            created_ms = (position >> _NUMBER_BITS) + 1 + _EPOCH_MS
            self.identity = f"{created_ms * _NS_PER_MS:x}-"

    def of_later_time(self, time_ms: int) -> MessageIds:
        """Those that go on with an identity of a later time; the same ones if it is not later."""
        later = MessageIds(f"{time_ms * _NS_PER_MS:x}-")
        later.last_number = self.last_number
        return later if later.position > self.position else self

    @property
    def position(self) -> int:
        """The position of the last message: no later one has a smaller one, not after a restart."""
        return position_of(self.id_of(self.last_number))


def position_of_entry(entry: HistoryEntry) -> int:
    """The position of a message of a history."""
    return position_of(msgid_of(entry))


def position_of(msgid: str) -> int:
    """The position of a message among all others, from 1 to 2 ** 63; 0 if it is no id of a room.

    It is made of the time of the room, in milliseconds, and the number of the message. Numbers that
    have more bits than there is room for carry over, but more slowly than time passes.
    """
    match = _ID.fullmatch(msgid)
    if match is None:
        return 0
    return min(_first_position(match[1] or "0") + int(match[2], 16), _MAX_POSITION)


@lru_cache(maxsize=64)
def _first_position(created: str) -> int:
    """The position before all messages of a room; `created` is hexadecimal."""
    return max(0, int(created, 16) // _NS_PER_MS - _EPOCH_MS) << _NUMBER_BITS


class EncodedMessage:
    """A message and its bytes, for each set of tag capabilities."""

    __slots__ = ("_by_caps", "_message", "body", "now")

    def __init__(self, message: Message, now: float) -> None:
        self._message = message
        self.now = now
        self._by_caps: dict[int, bytes] | None = None
        is_long = is_multiline(message)
        self.body = encode_multiline(message, {}, 0) if is_long else format_body(message)

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
        if is_multiline(self.message):
            tags = {"time": timestamp(self.now), **self.message.tags}
            return encode_multiline(self.message, tags, tag_caps)
        return self._encode_line(tag_caps)

    def _encode_line(self, tag_caps: int) -> bytes:
        tags = {"time": timestamp(self.now), **self.message.tags}
        seen = {name: value for name, value in tags.items() if may_see(tag_caps, name)}
        return format_tags(seen).encode() + self.body


@dataclass(frozen=True, slots=True, eq=False)
class MessageTemplate:
    """The parts that a member's messages to one channel share: all except text, time and id.

    Templates are compared by identity.
    """

    command: str
    target: str
    source: str
    tags: Mapping[str, str]
    ids: MessageIds
    head: bytes  # the line up to its text, as `head_of` makes it


def head_of(source: str, command: str, target: str) -> bytes:
    """The head of a message's line, up to its text."""
    return f":{source} {command} {target} :".encode()


class TemplateMessage(EncodedMessage):
    """A message whose bytes come from a template; `message` makes the Message when needed."""

    __slots__ = ("_made", "number", "template")

    _encode = EncodedMessage._encode_line  # noqa: SLF001 (of the base class; it has one line)

    def __init__(self, template: MessageTemplate, text: bytes, now: float) -> None:
        # Hot: makes no call, not even to the base class.
        ids = template.ids
        ids.last_number = self.number = ids.last_number + 1
        self.body = template.head + text + _END
        self.now = now
        self.template = template
        self._by_caps = None
        self._made: Message | None = None

    @classmethod
    def restore(cls, template: MessageTemplate, text: str, now: float, number: int) -> Self:
        """A saved message, which has its number already."""
        message = cls.__new__(cls)
        message.number = number
        message.body = template.head + text.encode() + _END
        message.now = now
        message.template = template
        message._by_caps = message._made = None  # noqa: SLF001 (a constructor)
        return message

    @property
    def text(self) -> str:
        """The text, without the head of the line."""
        return self.body[len(self.template.head) : -len(_END)].decode()

    @property
    def message(self) -> Message:
        """The same message as the command table makes."""
        if self._made is None:
            template = self.template
            msgid = template.ids.id_of(self.number)
            tags = {"time": timestamp(self.now), "msgid": msgid, **template.tags}
            params = (template.target, self.text)
            self._made = Message(template.command, params, template.source, tags)
        return self._made


HistoryEntry = Message | TemplateMessage


def message_of(entry: HistoryEntry) -> Message:
    """The message of an entry of a channel's history."""
    return entry if isinstance(entry, Message) else entry.message


def msgid_of(entry: HistoryEntry) -> str:
    """The id of an entry of a history, without making its message."""
    if isinstance(entry, Message):
        return entry.tags.get("msgid", "")
    return entry.template.ids.id_of(entry.number)


def timestamp(now: float) -> str:
    """Seconds since the epoch in the format of server-time."""
    return timestamp_of(milliseconds_of(now))


def milliseconds_of(now: float) -> int:
    """Seconds since the epoch in whole milliseconds, as server-time shows them."""
    whole = int(now)
    return 1000 * whole + int((now - whole) * 1000)


def timestamp_of(milliseconds: int) -> str:
    """Milliseconds since the epoch in the format of server-time."""
    return f"{_second(milliseconds // 1000)}.{milliseconds % 1000:03d}Z"


@lru_cache(maxsize=16)
def _second(whole: int) -> str:
    return datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S")
