"""The grammar of IRC messages with IRCv3 tags, and of nicks and channel names.

Converts bytes to Message and back. The meaning of commands is defined in the room.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from netd.errors import RemoteProtocolError

MAX_BODY_BYTES: Final = 510  # RFC 2812 2.3: 512 with CRLF, tags not counted
MAX_CLIENT_TAG_BYTES: Final = 4096  # message-tags: "@", 4094 bytes of data, a space
MAX_CLIENT_LINE_BYTES: Final = MAX_CLIENT_TAG_BYTES + MAX_BODY_BYTES

_FREE_TEXT: Final = frozenset({"PRIVMSG", "NOTICE", "QUIT"})  # simple clients search for " :"
_NO_TAGS: Final[Mapping[str, str]] = {}
_ESCAPES: Final = {"\\:": ";", "\\s": " ", "\\\\": "\\", "\\r": "\r", "\\n": "\n"}
_ESCAPE = re.compile(r"\\(.?)")
_ESCAPED = str.maketrans({";": "\\:", " ": "\\s", "\\": "\\\\", "\r": "\\r", "\n": "\\n"})
_LINE_END = re.compile(r"[\r\n]")
_LOWER = str.maketrans(
    {chr(upper): chr(upper + 32) for upper in range(ord("A"), ord("Z") + 1)}  # casemapping ascii
)
_NICK = re.compile(r"[A-Za-z\[\]\\`_^{|}][A-Za-z0-9\[\]\\`_^{|}-]*")
_CHANNEL = re.compile(r"#[^\x00-\x20,\x7f]+")


class LineTooLongError(RemoteProtocolError):
    """The tags, or the rest of a line, are too long."""


class NotUtf8Error(RemoteProtocolError):
    """A line that is not UTF-8; `command` is the line's command, "*" if there is none."""

    def __init__(self, command: str, tags: Mapping[str, str]) -> None:
        super().__init__(f"{command}: not UTF-8")
        self.command = command
        self.tags = tags


@dataclass(frozen=True, slots=True)
class Message:
    """One line; `source` and `tags` are empty if the line has none."""

    command: str
    params: tuple[str, ...] = ()
    source: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


def parse(line: bytes) -> Message | None:
    """Parse a line without its ending; returns None if the line is empty.

    Raises LineTooLongError, NotUtf8Error, or RemoteProtocolError if the line holds NUL or CR.
    """
    tag_bytes = 0
    if line.startswith(b"@"):
        tag_bytes = line.find(b" ") + 1 or len(line)
    if tag_bytes > MAX_CLIENT_TAG_BYTES or len(line) - tag_bytes > MAX_BODY_BYTES:
        raise LineTooLongError("input line was too long")
    if not is_clean(line):
        raise RemoteProtocolError("a line holds no NUL and no carriage return but at its end")
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        tags = parse_tags(line[1:tag_bytes].decode("utf-8", "replace").rstrip(" "))
        raise NotUtf8Error(_command_of(line[tag_bytes:]), tags) from error
    return _parse_text(text)


def is_clean(line: bytes) -> bool:
    """Whether a line has no NUL and no CR; many clients treat a CR as the end of a line."""
    return b"\0" not in line and b"\r" not in line


def _command_of(body: bytes) -> str:
    words = body.split()
    if words and words[0].startswith(b":"):
        words = words[1:]  # without the source
    return words[0].decode("ascii", "replace").upper() if words else "*"


def _parse_text(text: str) -> Message | None:
    tags = _NO_TAGS
    if text.startswith("@"):
        raw, _, text = text[1:].partition(" ")
        tags = parse_tags(raw)
    text = text.lstrip(" ")
    source = ""
    if text.startswith(":"):
        source, _, text = text[1:].partition(" ")
    head, colon, trailing = text.partition(" :")
    words = [word for word in head.split(" ") if word]
    if not words:
        return None
    command, *params = words
    if colon:
        params.append(trailing)
    return Message(command.upper(), tuple(params), source, tags)


def parse_tags(raw: str) -> dict[str, str]:
    """Parse tags such as `a=1;+b`; of equal names, the last one counts (message-tags)."""
    tags = {}
    for tag in raw.split(";"):
        name, _, value = tag.partition("=")
        if name:
            tags[name] = _unescape(value) if "\\" in value else value
    return tags


def _unescape(value: str) -> str:
    return _ESCAPE.sub(lambda match: _ESCAPES.get(match[0], match[1]), value)


def format_tags(tags: Mapping[str, str]) -> str:
    """Return the tags with "@" before and a space after them; empty if there are none."""
    if not tags:
        return ""
    pairs = [f"{k}={v.translate(_ESCAPED)}" if v else k for k, v in tags.items()]
    return f"@{';'.join(pairs)} "


def format_body(message: Message) -> bytes:
    """Return the line without tags, with CRLF, truncated to 512 bytes between two characters."""
    *middle, last = (message.command, *message.params)
    if "\n" in last or "\r" in last:
        last = _LINE_END.sub(" ", last)  # it would begin another line
    needs_colon = message.command in _FREE_TEXT or not last or last[0] == ":" or " " in last
    if message.params and needs_colon:
        last = ":" + last
    prefix = f":{message.source} " if message.source else ""
    body = (prefix + " ".join((*middle, last))).encode()
    return cut(body, MAX_BODY_BYTES) + b"\r\n"


def format_message(message: Message) -> bytes:
    """Return the line with all tags and CRLF."""
    return format_tags(message.tags).encode() + format_body(message)


def cut(data: bytes, max_bytes: int) -> bytes:
    """Return at most `max_bytes` bytes of UTF-8 text, without a partial character at the end."""
    if len(data) <= max_bytes:
        return data
    return data[:max_bytes].decode("utf-8", "ignore").encode()


def fold(name: str) -> str:
    """Return a nick or channel name in the form to compare (CASEMAPPING=ascii)."""
    return name.lower() if name.isascii() else name.translate(_LOWER)


def is_nick(name: str, max_chars: int) -> bool:
    """Whether a nick is valid (RFC 2812 section 2.3.1)."""
    return len(name) <= max_chars and _NICK.fullmatch(name) is not None


def is_channel(name: str, max_chars: int) -> bool:
    """Whether a channel name is valid."""
    return len(name) <= max_chars and _CHANNEL.fullmatch(name) is not None
