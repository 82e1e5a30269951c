"""The replay of what a member has missed without a client, to one that cannot request it itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands import history
from netd.listeners.chat.room.commands.base import Steps
from netd.listeners.chat.room.encoded_message import timestamp
from netd.listeners.chat.room.history import Selection, parse_reference
from netd.listeners.chat.room.storage import QueryFailedError
from netd.protocols.irc import Message

_MAX_LINES: Final = 500  # of one channel or conversation
_MAX_CONVERSATIONS: Final = 50
_OVERLAP_S: Final = 0.001  # what was said in the same millisecond
_SECOND: Final = slice(0, 19)


def replay_missed(context: CommandContext, since: float) -> Steps:
    """Send the client what was said since a time, with the date and the zone."""
    if context.client.has(Cap.CHATHISTORY):
        return
    reference = parse_reference(f"timestamp={timestamp(since - _OVERLAP_S)}")
    assert reference is not None
    selection = Selection("LATEST", (reference,), _MAX_LINES)
    for channel in context.room.channels_of(context.sender):
        messages = yield from history.last_messages(context, channel, selection)
        if context.sender in channel.members:
            yield from send_missed(context, channel.name, messages)
    try:
        names = yield from history.conversations_since(context, since, _MAX_CONVERSATIONS)
        for name in names:
            messages = yield from history.find_in_conversation(context, name, selection)
            yield from send_missed(context, name, messages)
    except QueryFailedError:
        context.reply_command("NOTICE", context.sender.nick, "Some messages could not be read")


def send_missed(context: CommandContext, target: str, messages: Iterable[Message]) -> Steps:
    """Send the client messages of a channel or conversation that it has missed."""
    said = [message for message in messages if message.command in ("PRIVMSG", "NOTICE")]
    if not context.client.has(Cap.SERVER_TIME):
        said = [_with_date(message) for message in said]
    if said:
        yield from context.reply_batch("chathistory", (target,), said)


def _with_date(message: Message) -> Message:
    target, text = message.params
    at = message.tags["time"][_SECOND].replace("T", " ")
    return replace(message, params=(target, f"[{at} UTC] {text}"))
