"""CHATHISTORY (IRCv3 draft/chathistory), and a replay on JOIN for clients without it.

The memory has the last messages of each channel, the database has all, if there is one.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import replace
from typing import Any

from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.channel import Channel
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands.base import Command, Steps
from netd.listeners.chat.room.encoded_message import (
    HistoryEntry,
    message_of,
    position_of_entry,
    timestamp_of,
)
from netd.listeners.chat.room.history import (
    PrivateHistory,
    Reference,
    Selection,
    parse_reference,
    visible,
)
from netd.listeners.chat.room.isupport import MAX_HISTORY_REPLIES
from netd.listeners.chat.room.storage import QueryFailedError, ask
from netd.listeners.chat.room.stored_message import (
    NEVER,
    AddMessage,
    AddParty,
    ChannelView,
    ConversationView,
    Targets,
    View,
    conversation_name,
    milliseconds,
    party_key,
)
from netd.protocols.irc import Message, fold

_CLOCK = slice(11, 19)  # the time of day in a timestamp
_NO_COUNT = 0
_NEEDED = {"LATEST": 1, "BEFORE": 1, "AFTER": 1, "AROUND": 1, "BETWEEN": 2}  # references

Found = Generator[Any, Any, list[Message]]
"""The steps that find messages."""


def chathistory(context: CommandContext, params: Sequence[str]) -> Steps | None:
    """Send a part of the history of a channel or conversation, or a list of both (TARGETS)."""
    subcommand = params[0].upper()
    if subcommand == "TARGETS":
        return _send_targets(context, params)
    if subcommand in _NEEDED:
        return _send_selection(context, subcommand, params)
    context.fail("INVALID_PARAMS", subcommand, "Unknown command")
    return None


def _send_selection(context: CommandContext, subcommand: str, params: Sequence[str]) -> Steps:
    needed = _NEEDED[subcommand]
    if len(params) < needed + 3:
        context.fail("NEED_MORE_PARAMS", subcommand, "Missing parameters")
        return
    selection = _parse_selection(subcommand, params[2 : needed + 2], params[needed + 2])
    if selection is None:
        context.fail("INVALID_PARAMS", subcommand, "Invalid parameters")
        return
    target = params[1]
    try:
        if target.startswith("#"):
            messages = yield from _find_in_channel(context, target, selection)
        else:
            messages = yield from find_in_conversation(context, target, selection)
    except QueryFailedError:
        text = "Messages could not be retrieved"
        context.fail("MESSAGE_ERROR", subcommand, target, text)
        return
    if target.startswith("#") and _joined_channel(context, target) is None:
        context.fail("INVALID_TARGET", subcommand, target, "Messages could not be retrieved")
        return
    yield from context.reply_batch("chathistory", (target,), messages)


def _parse_selection(subcommand: str, words: Sequence[str], count: str) -> Selection | None:
    references = tuple(filter(None, map(parse_reference, words)))
    is_unbounded = subcommand == "LATEST" and words[0] == "*"
    is_whole = len(references) == len(words) or is_unbounded
    selection = Selection(subcommand, references, _parse_count(count))
    try:
        for reference in references:
            reference.bound()
    except (ValueError, OverflowError):
        return None
    return selection if is_whole and selection.count != _NO_COUNT else None


def _parse_count(text: str) -> int:
    return min(int(text), MAX_HISTORY_REPLIES) if text.isdecimal() else _NO_COUNT


def _joined_channel(context: CommandContext, name: str) -> Channel | None:
    channel = context.room.find_channel(name)
    return channel if channel is not None and context.sender in channel.members else None


def _find_in_channel(context: CommandContext, name: str, selection: Selection) -> Found:
    channel = _joined_channel(context, name)
    if channel is None:
        return []
    with_events = context.client.has(Cap.EVENT_PLAYBACK)
    is_stored, entries = context.room.settings.stores_messages, channel.history.entries
    if not (is_stored and entries and selection.begins_before(entries[0])):
        known = yield from _known_messages(context, channel)
        chosen = list(selection.choose(visible(known, events=with_events)))
        if not is_stored or selection.is_within(known, chosen):
            return chosen
    view = channel_view(context, channel)
    return (yield from ask(selection.query(view, with_events=with_events)))


def _known_messages(context: CommandContext, channel: Channel) -> Found:
    """The messages in memory that the sender may read.

    If the database has messages, only those after the last one that the sender may not read: an
    earlier stay in the channel may allow it to read that one too.
    """
    member, access = context.sender, channel.access
    entries = list(channel.history.entries)
    may_read = [access.may_read(member, position_of_entry(entry)) for entry in entries]
    context.work += len(entries)
    if context.room.settings.stores_messages and False in may_read:
        last = len(may_read) - may_read[::-1].index(False)
        return (yield from _messages(context, entries[last:]))
    readable = [entry for entry, allowed in zip(entries, may_read, strict=True) if allowed]
    return (yield from _messages(context, readable))


def channel_view(context: CommandContext, channel: Channel) -> ChannelView:
    """The part of a channel's history that the sender may read."""
    since = channel.access.since.get(context.sender, NEVER)
    return ChannelView(channel.folded, fold(context.sender.account), since, channel.access.begin)


def conversation_view(context: CommandContext, target: str) -> ConversationView:
    """The sender's private conversation with another member, present or absent."""
    account, other = fold(context.sender.account), context.room.find_member(target)
    key = party_key("", target)
    if other is None:
        return ConversationView(account, (fold(target), key), fold(target))
    return ConversationView(account, (party_key(other.account, other.nick), key), "")


def find_in_conversation(context: CommandContext, target: str, selection: Selection) -> Found:
    """The requested messages of the sender's private conversation with a nick."""
    if not context.sender.account:
        return []
    with_events = context.client.has(Cap.EVENT_PLAYBACK)
    private = context.room.private_histories.get(fold(context.sender.account))
    found = private.conversations.get(fold(target)) if private else None
    messages = yield from _messages(context, found[1].entries if found else ())
    chosen = list(selection.choose(visible(messages, events=with_events)))
    if not context.room.settings.stores_messages or selection.is_within(messages, chosen):
        return chosen
    view: View = conversation_view(context, target)
    return (yield from ask(selection.query(view, with_events=with_events)))


def _messages(context: CommandContext, log: Iterable[HistoryEntry]) -> Found:
    """The messages of a log, in steps: making them takes most of the time of CHATHISTORY."""
    messages = []
    for entry in list(log):
        messages.append(message_of(entry))
        context.work += 2
        yield
    return messages


def _send_targets(context: CommandContext, params: Sequence[str]) -> Steps:
    references = tuple(filter(None, map(parse_reference, params[1:3])))
    count = _parse_count("".join(params[3:4]))
    bounds = _times(references)
    if len(bounds) != 2 or count == _NO_COUNT:  # noqa: PLR2004 (from, to)
        context.fail("INVALID_PARAMS", "TARGETS", "Invalid parameters")
        return
    find = _stored_targets if context.room.settings.stores_messages else _kept_targets
    try:
        found = yield from find(context, min(bounds), max(bounds), count)
    except QueryFailedError:
        context.fail("MESSAGE_ERROR", "TARGETS", "Targets could not be retrieved")
        return
    server = context.room.settings.server_name
    messages = [
        Message("CHATHISTORY", ("TARGETS", name, timestamp_of(at)), server) for name, at in found
    ]
    yield from context.reply_batch("draft/chathistory-targets", (), messages)


def _times(references: Iterable[Reference]) -> list[int]:
    """The times of references; those that are no times are left out."""
    try:
        return [bound.time for ref in references if (bound := ref.bound()).time is not None]
    except (ValueError, OverflowError):
        return []


_Ends = list[tuple[str, int]]


def _stored_targets(
    context: CommandContext, after: int, before: int, count: int
) -> Generator[Any, Any, _Ends]:
    channels = context.room.channels_of(context.sender)
    views = tuple(channel_view(context, channel) for channel in channels)
    names = {channel.folded: channel.name for channel in channels}
    query = Targets(views, fold(context.sender.account), after, before, count)
    found = yield from ask(query)
    return [(names.get(name, name), at) for name, at in found]


def _kept_targets(
    context: CommandContext, after: int, before: int, count: int
) -> Generator[Any, Any, _Ends]:
    ends: _Ends = []
    for channel in context.room.channels_of(context.sender):
        known = yield from _known_messages(context, channel)
        ends += [(channel.name, _time_of(message)) for message in known[-1:]]
    private = context.room.private_histories.get(fold(context.sender.account))
    for nick, log in private.conversations.values() if private else ():
        ends.append((nick, _time_of(message_of(log.entries[-1]))))
    found = [(name, at) for name, at in ends if after < at < before]
    return sorted(found, key=lambda end: end[::-1])[:count]


def conversations_since(
    context: CommandContext, since: float, count: int
) -> Generator[Any, Any, list[str]]:
    """The nicks with which the sender has private messages since a time."""
    find = _stored_targets if may_ask(context) else _kept_targets
    after, before = int(since * 1000) - 1, int(context.now * 1000) + 1
    found = yield from find(context, after, before, count)
    return [name for name, _ in found if not name.startswith("#")]


def _time_of(message: Message) -> int:
    return milliseconds(message.tags["time"])


def replay(context: CommandContext, channel: Channel) -> Steps:
    """Send a new member the last messages, unless its client can request them itself."""
    client, count = context.client, context.room.settings.replay_lines
    if not count or client.has(Cap.CHATHISTORY) or client.is_remote:
        return
    messages = yield from last_messages(context, channel, Selection("LATEST", (), count))
    if context.sender not in channel.members:
        return
    if not client.has(Cap.SERVER_TIME):
        messages = [_with_clock(message) for message in messages]
    if messages:
        yield from context.reply_batch("chathistory", (channel.name,), messages)


def last_messages(context: CommandContext, channel: Channel, selection: Selection) -> Found:
    """The last messages; those in memory if the database has no answer."""
    known = yield from _known_messages(context, channel)
    chosen = list(selection.choose(visible(known, events=False)))
    if not may_ask(context) or selection.is_within(known, chosen):
        return chosen
    view = channel_view(context, channel)
    try:
        return (yield from ask(selection.query(view, with_events=False)))
    except QueryFailedError:
        return chosen


def may_ask(context: CommandContext) -> bool:
    """Whether a command that other members see may ask the database for messages.

    On several hosts it may not: each one has its own database, and all must come to the same end.
    """
    return context.room.settings.stores_messages and context.room.entrants is None


def _with_clock(message: Message) -> Message:
    target, text = message.params
    return replace(message, params=(target, f"[{message.tags['time'][_CLOCK]}] {text}"))


def record_private(context: CommandContext, nick: str, account: str, message: Message) -> None:
    """Keep a private message for those of the two parties that have an account.

    `nick` and `account` are those of the other party, which may be absent.
    """
    sender = context.sender
    own, other = (sender.nick, sender.account), (nick, account)
    parties = [(own, other)] if own == other else [(own, other), (other, own)]
    if context.room.settings.stores_messages:
        _store_private(context, parties, message)
    if not may_ask(context):  # each host has all that is in the memory of any other one
        for (_, owner), (other_nick, _) in parties:
            _record(context, owner, other_nick, message)


_Party = tuple[str, str]
"""The nick and the account of a party; the account is empty if it has none."""


def _store_private(
    context: CommandContext, parties: Sequence[tuple[_Party, _Party]], message: Message
) -> None:
    owners = [(party, other) for party, other in parties if party[1]]
    if not owners:
        return
    (nick, account), (other_nick, other_account) = parties[0]
    log = conversation_name(party_key(account, nick), party_key(other_account, other_nick))
    context.store(AddMessage.of(log, message, is_open=False))
    for (_, owner), (other_nick, other_account) in owners:
        key = party_key(other_account, other_nick)
        context.store(AddParty(log, fold(owner), key, other_nick))


def _record(context: CommandContext, owner: str, other_nick: str, message: Message) -> None:
    lines = context.room.settings.limits.history_lines
    if owner and lines:
        histories = context.room.private_histories
        history = histories.setdefault(fold(owner), PrivateHistory(lines, context.room.memory))
        history.add(fold(other_nick), other_nick, message)


COMMANDS = {
    "CHATHISTORY": Command(chathistory, "LATEST|BEFORE|AFTER|AROUND|BETWEEN|TARGETS ...", params=1),
}
