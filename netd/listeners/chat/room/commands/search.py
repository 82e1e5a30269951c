"""SEARCH: finds messages by their words, sender and time (the IRCv3 draft search)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands.base import Command, Steps
from netd.listeners.chat.room.commands.history import channel_view, conversation_view
from netd.listeners.chat.room.isupport import MAX_HISTORY_REPLIES
from netd.listeners.chat.room.storage import QueryFailedError, ask
from netd.listeners.chat.room.stored_message import (
    AllConversations,
    Bound,
    SearchMessages,
    View,
    milliseconds,
)
from netd.protocols.irc import Message, fold, parse_tags

BATCH_TYPE: Final = "draft/search"
_MAX_WORDS: Final = 16
_ANY: Final = ("", "*")


def search(context: CommandContext, params: Sequence[str]) -> Steps:
    """Send the messages that the sender may read and that match all attributes, oldest first."""
    if not context.room.settings.stores_messages:
        context.fail("INTERNAL_ERROR", "This server does not keep messages")
        return
    attributes = parse_tags(params[0])
    query = _parse(context, attributes)
    if query is None:
        return
    try:
        found = yield from ask(query)
    except QueryFailedError:
        context.fail("INTERNAL_ERROR", "The search was not completed")
        return
    readable = [message for message in found if _is_still_readable(context, message)]
    yield from context.reply_batch(BATCH_TYPE, (), readable)


def _parse(context: CommandContext, attributes: Mapping[str, str]) -> SearchMessages | None:
    """The query for some attributes; None if one of them is wrong, which the sender is told."""
    views = _views(context, attributes.get("in", ""))
    if views is None:
        context.fail("INVALID_PARAMS", "in", "You cannot read that conversation")
        return None
    words = tuple(word for word in attributes.get("text", "").split() if _has_letter(word))
    limit, sender = attributes.get("limit", str(MAX_HISTORY_REPLIES)), attributes.get("from", "")
    if not limit.isdecimal() or not (words or sender) or len(words) > _MAX_WORDS:
        context.fail("INVALID_PARAMS", "text", "Search for at least one word, or a sender")
        return None
    try:
        after, before = (_bound(attributes.get(name, "")) for name in ("after", "before"))
    except (ValueError, OverflowError):
        context.fail("INVALID_PARAMS", "after", "Not a time")
        return None
    count = min(int(limit), MAX_HISTORY_REPLIES)
    return SearchMessages(views, words, fold(sender), after, before, count)


def _has_letter(word: str) -> bool:
    return any(char.isalnum() for char in word)


def _bound(text: str) -> Bound | None:
    return Bound(time=milliseconds(text.removeprefix("timestamp="))) if text else None


def _views(context: CommandContext, name: str) -> tuple[View, ...] | None:
    """The parts of the history to search; None if the sender cannot read there."""
    account, channels = fold(context.sender.account), context.room.channels_of(context.sender)
    if name in _ANY:
        views: list[View] = [channel_view(context, channel) for channel in channels]
        return (*views, AllConversations(account)) if account else (*views,)
    if name.startswith("#"):
        found = [channel for channel in channels if channel.folded == fold(name)]
        return tuple(channel_view(context, channel) for channel in found) or None
    return (conversation_view(context, name),) if account else None


def _is_still_readable(context: CommandContext, message: Message) -> bool:
    """Whether the sender did not leave the channel of a message while the search went on."""
    target = message.params[0]
    return not target.startswith("#") or fold(target) in context.sender.channels


COMMANDS = {"SEARCH": Command(search, "text=<words>[;in=<target>;from=<nick>;...]", params=1)}
