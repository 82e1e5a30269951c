"""A message of the user on its way to the server, and how a text is split into messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from netd.client.core.chat_events import MessageKind
from netd.protocols.irc import MAX_BODY_BYTES, cut

PING_PREFIX: Final = "netd-chat-"
_ACTION: Final = "\x01ACTION {}\x01"  # CTCP
_ACTION_BYTES: Final = len(_ACTION.format(""))
_FURTHER_LINE_COST: Final = 0.25  # of a multiline message; netd counts as much
_MIN_TEXT_BYTES: Final = 16  # for any length of the source that the server reports


@dataclass(slots=True)
class OutgoingMessage:
    """One message; `number` counts the messages put on the wire."""

    target: str
    text: str
    kind: MessageKind = MessageKind.TEXT
    number: int = 0
    times_sent: int = 0
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def line_count(self) -> int:
        """The number of lines of the text: more than one in a message of several lines."""
        return self.text.count("\n") + 1

    @property
    def cost(self) -> float:
        """The number of lines of a rate limit that the message counts for."""
        return 1 + (self.line_count - 1) * _FURTHER_LINE_COST

    @property
    def ping_token(self) -> str:
        """The token of the PING whose PONG confirms this message."""
        return f"{PING_PREFIX}{self.number}"

    @property
    def payload(self) -> str:
        """The text as PRIVMSG carries it."""
        return _ACTION.format(self.text) if self.kind is MessageKind.ACTION else self.text


def split_message(
    source: str, target: str, text: str, kind: MessageKind
) -> Iterator[OutgoingMessage]:
    """Split a text at its line ends, and each line into messages that fit one IRC line."""
    max_bytes = max_text_bytes(source, target, kind)
    for line in text.replace("\0", "").splitlines():
        if line.strip():
            for part in split_text(line, max_bytes):
                yield OutgoingMessage(target, part, kind)


def max_text_bytes(source: str, target: str, kind: MessageKind) -> int:
    """Return how many bytes of text fit the line that other clients receive from `source`."""
    frame = f":{source} PRIVMSG {target} :"
    action = _ACTION_BYTES if kind is MessageKind.ACTION else 0
    return max(_MIN_TEXT_BYTES, MAX_BODY_BYTES - len(frame.encode()) - action)


def split_text(text: str, max_bytes: int) -> Iterator[str]:
    """Split into non-empty parts of at most `max_bytes` of UTF-8, at a space where possible.

    The parts joined are the text.
    """
    rest = text.encode("utf-8", "replace")
    while len(rest) > max_bytes:
        part = cut(rest, max_bytes)
        space = part.rfind(b" ") + 1
        if space > max_bytes // 2:
            part = part[:space]
        yield part.decode()
        rest = rest[len(part) :]
    if rest:
        yield rest.decode()


def join_lines(
    parts: Iterable[OutgoingMessage], max_lines: int, max_bytes: int
) -> list[OutgoingMessage]:
    """Join messages of one line into messages of several lines, within the limits of one."""
    joined: list[OutgoingMessage] = []
    for part in parts:
        text = f"{joined[-1].text}\n{part.text}" if joined else ""
        if joined and text.count("\n") < max_lines and len(text.encode()) <= max_bytes:
            joined[-1].text = text
        else:
            joined.append(part)
    return joined
