"""The lines that a hook gets, as messages: batches are joined, and replies have their label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from netd.listeners.chat.room.multiline import BATCH_TYPE, CONCAT_TAG
from netd.protocols.irc import Message, parse, parse_tags

_HISTORY: Final = "chathistory"
_MAX_OPEN: Final = 64  # batches; the server opens two at once


class Received(NamedTuple):
    """Messages that belong together, and the label of the line that they reply to."""

    label: str
    messages: list[Message]
    is_history: bool = False
    """Whether they were said before."""


@dataclass(slots=True)
class _Batch:
    kind: str
    tags: Mapping[str, str]
    is_history: bool
    messages: list[Message] = field(default_factory=list)

    def joined(self) -> list[Message]:
        """The messages in the batch; those of a message of several lines are one."""
        if self.kind != BATCH_TYPE or not self.messages:
            return self.messages
        text = self.messages[0].params[-1]
        for part in self.messages[1:]:
            text += ("" if CONCAT_TAG in part.tags else "\n") + part.params[-1]
        first = self.messages[0]
        return [replace(first, params=(*first.params[:-1], text), tags=self.tags)]


class ReplyReader:
    """Parses the lines of a server that has the capabilities batch and labeled-response."""

    def __init__(self) -> None:
        self._open: dict[str, _Batch] = {}

    def receive(self, line: bytes) -> Received | None:
        """Take a line; returns what it completes. Raises RemoteProtocolError if it is malformed."""
        message = parse_server_line(line)
        if message is None:
            return None
        if message.command == "BATCH":
            return self._on_batch(message)
        return self._place(message.tags.get("batch", ""), message.tags, [message])

    def _on_batch(self, message: Message) -> Received | None:
        reference = message.params[0]
        if reference.startswith("+"):
            if len(self._open) < _MAX_OPEN:
                kind = (*message.params, "")[1]
                self._open[reference[1:]] = _Batch(kind, message.tags, kind == _HISTORY)
            return None
        batch = self._open.pop(reference[1:], None)
        if batch is None:
            return None
        tags, messages = batch.tags, batch.joined()
        return self._place(tags.get("batch", ""), tags, messages, is_history=batch.is_history)

    def _place(
        self,
        parent: str,
        tags: Mapping[str, str],
        messages: list[Message],
        *,
        is_history: bool = False,
    ) -> Received | None:
        outer = self._open.get(parent)
        if outer is None:
            return Received(tags.get("label", ""), messages, is_history)
        outer.messages += messages
        outer.is_history |= is_history  # as in the batch of a labeled response
        return None


def parse_server_line(line: bytes) -> Message | None:
    """Parse a line of the server, whose tags may be longer than those of a client."""
    raw = b""
    if line.startswith(b"@"):
        raw, _, line = line[1:].partition(b" ")
    message = parse(line)
    if message is None or not raw:
        return message
    return replace(message, tags=parse_tags(raw.decode("utf-8", "replace")))
