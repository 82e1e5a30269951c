"""REDACT: deletes a message from history, and for the clients that have it (message-redaction)."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from datetime import datetime

from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.channel import Channel
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands.base import Command, Steps
from netd.listeners.chat.room.commands.history import channel_view, conversation_view, may_ask
from netd.listeners.chat.room.encoded_message import (
    HistoryEntry,
    message_of,
    msgid_of,
    position_of,
)
from netd.listeners.chat.room.history import History
from netd.listeners.chat.room.member import Member
from netd.listeners.chat.room.storage import Asking, QueryFailedError, ask
from netd.listeners.chat.room.stored_message import ChannelView, FindMessage, RemoveMessage, View
from netd.protocols.irc import Message, fold

_REDACTABLE = ("PRIVMSG", "NOTICE", "TAGMSG")
_TIMESTAMP_S = 0.001  # the resolution of the times in history
_ENTRIES_PER_STEP = 32  # of a search


def redact(context: CommandContext, params: Sequence[str]) -> Steps:
    """Delete a message of the sender, or any message of a channel that the sender operates."""
    target, msgid = params[:2]
    if target.startswith("#"):
        yield from _redact_in_channel(context, target, msgid, params[2:])
    else:
        yield from _redact_private(context, target, msgid, params[2:])


def _redact_in_channel(
    context: CommandContext, name: str, msgid: str, reason: Sequence[str]
) -> Steps:
    channel = context.room.find_channel(name)
    if channel is None or not _may_see(context, channel):
        context.fail("INVALID_TARGET", name, "You cannot delete messages from there")
        return
    entry = yield from _find(context, channel.history, msgid)
    message = message_of(entry) if entry else None
    if message is None:
        message = yield from _find_stored(context, _channel_view(context, channel), msgid)
    if message is None or context.room.find_channel(name) is not channel:
        context.fail("UNKNOWN_MSGID", name, msgid, "This message does not exist or is too old")
        return
    if _may_redact(context, name, message, is_op=channel.is_op(context.sender)):
        if entry is not None:
            channel.history.remove(entry)
        _remove_stored(context, msgid)
        _announce(context, list(channel.members), channel.name, msgid, reason)


def _channel_view(context: CommandContext, channel: Channel) -> ChannelView:
    """The part of a channel's history from which the sender may delete; all for an operator."""
    view = channel_view(context, channel)
    return replace(view, since=0) if context.sender.oper else view


def _find_stored(context: CommandContext, view: View, msgid: str) -> Asking[Message | None]:
    """The message with an id in the database; None if there is none to delete."""
    if not may_ask(context):
        return None
    try:
        found = yield from ask(FindMessage(view, position_of(msgid)))
    except QueryFailedError:
        return None
    is_message = found is not None and found.tags["msgid"] == msgid
    return found if found and is_message and found.command in _REDACTABLE else None


def _remove_stored(context: CommandContext, msgid: str) -> None:
    if context.room.settings.stores_messages:
        context.store(RemoveMessage(position_of(msgid)))


def _may_see(context: CommandContext, channel: Channel) -> bool:
    return context.sender in channel.members or bool(context.sender.oper)


def _redact_private(context: CommandContext, nick: str, msgid: str, reason: Sequence[str]) -> Steps:
    """Delete a private message, for both parties, as far as their accounts keep it."""
    if context.room.settings.stores_messages:
        yield from _redact_stored(context, nick, msgid, reason)
        return
    sender = context.sender
    other = context.room.find_member(nick)
    own = _conversation(context, sender.account, fold(nick))
    entry = (yield from _find(context, own, msgid)) if own else None
    if own is None or entry is None:
        context.fail("UNKNOWN_MSGID", nick, msgid, "This message does not exist or is too old")
        return
    if not _may_redact(context, nick, message_of(entry), is_op=False):
        return
    own.remove(entry)
    account = other.account if other is not None else nick
    theirs = _conversation(context, account, sender.folded)
    if theirs is not None and theirs is not own:
        copy = yield from _find(context, theirs, msgid)
        if copy is not None:
            theirs.remove(copy)
    parties = [] if other is None else [other]
    _announce(context, parties, other.nick if other is not None else nick, msgid, reason)


def _redact_stored(context: CommandContext, nick: str, msgid: str, reason: Sequence[str]) -> Steps:
    """Delete a private message from the database."""
    message = None
    if context.sender.account:
        view = conversation_view(context, nick)
        message = yield from _find_stored(context, view, msgid)
    if message is None:
        context.fail("UNKNOWN_MSGID", nick, msgid, "This message does not exist or is too old")
    elif _may_redact(context, nick, message, is_op=False):
        _remove_stored(context, msgid)
        other = context.room.find_member(nick)
        parties, name = ([], nick) if other is None else ([other], other.nick)
        _announce(context, parties, name, msgid, reason)


def _conversation(context: CommandContext, account: str, folded: str) -> History | None:
    private = context.room.private_histories.get(fold(account)) if account else None
    found = private.conversations.get(folded) if private else None
    return found[1] if found else None


def _find(
    context: CommandContext, history: History, msgid: str
) -> Generator[None, None, HistoryEntry | None]:
    """The message with an id, in steps, the latest first; None if there is none to delete."""
    for number, entry in enumerate(reversed(list(history.entries)), 1):
        if msgid_of(entry) == msgid:
            return entry if message_of(entry).command in _REDACTABLE else None
        if number % _ENTRIES_PER_STEP == 0:
            context.work += _ENTRIES_PER_STEP
            yield
    return None


def _may_redact(context: CommandContext, target: str, message: Message, *, is_op: bool) -> bool:
    """Whether the sender may delete a message now; if not, it gets the reason."""
    msgid, sender, within_s = message.tags["msgid"], context.sender, context.room.settings.redact_s
    sent_at = datetime.fromisoformat(message.tags["time"]).timestamp()
    if not (is_op or _is_author(sender, message, sent_at)):
        text = "You are not authorised to delete this message"
        context.fail("REDACT_FORBIDDEN", target, msgid, text)
    elif context.now - sent_at > within_s and not sender.oper:
        text = "You can no longer delete this message"
        context.fail("REDACT_WINDOW_EXPIRED", target, msgid, str(int(within_s)), text)
    else:
        return True
    return False


def _is_author(sender: Member, message: Message, sent_at: float) -> bool:
    """Whether the sender wrote a message: by its account, or while it has been connected."""
    if account := message.tags.get("account"):
        return fold(account) == fold(sender.account)
    return message.source == sender.prefix and sender.signed_on < sent_at + _TIMESTAMP_S


def _announce(
    context: CommandContext,
    members: Sequence[Member],
    target: str,
    msgid: str,
    reason: Sequence[str],
) -> None:
    """Send the deletion to the clients that can carry it out."""
    limit = context.room.settings.limits.kick_chars
    texts = [text[:limit] for text in reason[:1]]
    message = context.history_message("REDACT", target, msgid, *texts)
    addressed = dict.fromkeys([context.sender, *members])
    context.send_to(addressed, message, cap=Cap.MESSAGE_REDACTION)


COMMANDS = {"REDACT": Command(redact, "<target> <msgid> [:<reason>]", params=2)}
