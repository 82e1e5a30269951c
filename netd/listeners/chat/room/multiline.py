"""Messages of several lines (IRCv3 draft/multiline): how they are kept, and what clients get.

Such a message is one Message, whose text has a line feed where a new line begins, and a carriage
return where the client has split a long line. A text of one line has neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from netd.listeners.chat.room.capability import Cap, may_see
from netd.protocols.irc import Message, format_body, format_tags

BATCH_TYPE: Final = "draft/multiline"
CONCAT_TAG: Final = "draft/multiline-concat"
NEW_LINE, CONCAT = "\n", "\r"
_PARTS: Final = re.compile(r"^[^\n\r]*|[\n\r][^\n\r]*")
_CAPS: Final = int(Cap.MULTILINE | Cap.BATCH)
_PART_BYTES: Final = 100  # of the objects of a line
_FIRST_ONLY: Final = ("msgid", "label")  # tags that only the first line of a message may have


@dataclass(slots=True)
class OpenBatch:
    """The lines of a message that a client is sending."""

    reference: str
    target: str
    label: str = ""
    client_tags: Mapping[str, str] = field(default_factory=dict)
    parts: list[str] = field(default_factory=list)  # each one after the first begins with its join
    used_bytes: int = 0
    has_failed: bool = False  # its other lines are ignored

    def add(self, text: str, *, is_concat: bool) -> None:
        """Add a line."""
        if self.parts and not is_concat:
            self.used_bytes += 1
        self.used_bytes += len(text.encode())
        join = "" if not self.parts else CONCAT if is_concat else NEW_LINE
        self.parts.append(join + text)

    @property
    def kept_bytes(self) -> int:
        """The estimated memory of the lines."""
        return self.used_bytes + _PART_BYTES * len(self.parts)

    @property
    def text(self) -> str:
        """The whole message."""
        return "".join(self.parts)

    @property
    def is_blank(self) -> bool:
        """Whether no line has a character."""
        return not self.text.strip(NEW_LINE + CONCAT)


def is_multiline(message: Message) -> bool:
    """Whether the text of a message has several lines."""
    text = message.params[-1] if message.params else ""
    return NEW_LINE in text or CONCAT in text


def encode_multiline(message: Message, tags: Mapping[str, str], caps: int) -> bytes:
    """The bytes of a message for a client with these capabilities; `tags` are all tags.

    A client without the capability gets a message for each line that is not blank.
    """
    is_able = caps & _CAPS == _CAPS
    lines = _as_batch(message, tags) if is_able else _as_lines(message, tags)
    return b"".join(_encode_line(line, caps) for line in lines)


def _encode_line(line: Message, caps: int) -> bytes:
    seen = {name: value for name, value in line.tags.items() if may_see(caps, name)}
    return format_tags(seen).encode() + format_body(line)


def _as_batch(message: Message, tags: Mapping[str, str]) -> Iterator[Message]:
    *first, text = message.params
    reference = tags["msgid"]
    outer = {"batch": tags["batch"]} if "batch" in tags else {}
    yield Message("BATCH", (f"+{reference}", BATCH_TYPE, *first), message.source, tags)
    for part in _PARTS.findall(text):
        own = {"batch": reference, **({CONCAT_TAG: ""} if part[:1] == CONCAT else {})}
        params = (*first, part.lstrip(NEW_LINE + CONCAT))
        yield Message(message.command, params, message.source, own)
    yield Message("BATCH", (f"-{reference}",), message.source, outer)


def _as_lines(message: Message, tags: Mapping[str, str]) -> Iterator[Message]:
    *first, text = message.params
    for part in _PARTS.findall(text):
        if line := part.lstrip(NEW_LINE + CONCAT):
            yield Message(message.command, (*first, line), message.source, tags)
            tags = {name: value for name, value in tags.items() if name not in _FIRST_ONLY}
