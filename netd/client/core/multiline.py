"""Messages of several lines (draft/multiline): one batch for each."""

from __future__ import annotations

from collections.abc import Iterator

from netd.client.core.chat_events import MessageKind, SendLine, send
from netd.client.core.client_state import MULTILINE
from netd.client.core.outgoing import OutgoingMessage
from netd.protocols.irc import Message


def lines_of(message: OutgoingMessage, *, has_labels: bool) -> Iterator[SendLine]:
    """Yield the lines of a message; its label is the token that confirms it."""
    tags = message.tags | ({"label": message.ping_token} if has_labels else {})
    texts = message.text.split("\n")
    command = "NOTICE" if message.kind is MessageKind.NOTICE else "PRIVMSG"
    if len(texts) == 1:
        yield send(command, message.target, message.payload, tags=tags)
        return
    reference = str(message.number)
    yield send("BATCH", f"+{reference}", MULTILINE, message.target, tags=tags)
    for text in texts:
        yield SendLine(Message(command, (message.target, text), tags={"batch": reference}))
    yield send("BATCH", f"-{reference}")
