"""CHATHISTORY (IRCv3 draft/chathistory), and a replay on JOIN for clients without it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import replace

from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.channel import Channel
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands.base import Command, Steps
from netd.listeners.chat.room.encoded_message import HistoryEntry, message_of
from netd.listeners.chat.room.history import (
    History,
    Log,
    PrivateHistory,
    Reference,
    after,
    around,
    before,
    between,
    latest,
    parse_reference,
    visible,
)
from netd.listeners.chat.room.isupport import MAX_HISTORY_REPLIES
from netd.listeners.chat.room.member import Member
from netd.protocols.irc import Message, fold

_CLOCK = slice(11, 19)  # the time of day in a timestamp
_NO_COUNT = 0

_Select = Callable[[Log, list[Reference], int], Log]
_SELECTIONS: dict[str, tuple[int, _Select]] = {  # subcommand -> number of references, selection
    "LATEST": (1, lambda log, refs, count: latest(log, refs[0] if refs else None, count)),
    "BEFORE": (1, lambda log, refs, count: before(log, refs[0], count)),
    "AFTER": (1, lambda log, refs, count: after(log, refs[0], count)),
    "AROUND": (1, lambda log, refs, count: around(log, refs[0], count)),
    "BETWEEN": (2, lambda log, refs, count: between(log, refs[0], refs[1], count)),
}


def chathistory(context: CommandContext, params: Sequence[str]) -> Steps | None:
    """Send a part of the history of a channel or conversation, or a list of both (TARGETS)."""
    subcommand = params[0].upper()
    if subcommand == "TARGETS":
        return _send_targets(context, params)
    if subcommand in _SELECTIONS:
        return _send_selection(context, subcommand, params)
    context.fail("INVALID_PARAMS", subcommand, "Unknown command")
    return None


def _send_selection(context: CommandContext, subcommand: str, params: Sequence[str]) -> Steps:
    needed, select = _SELECTIONS[subcommand]
    if len(params) < needed + 3:
        context.fail("NEED_MORE_PARAMS", subcommand, "Missing parameters")
        return
    target, count = params[1], _parse_count(params[needed + 2])
    words = params[2 : needed + 2]
    references = [reference for reference in map(parse_reference, words) if reference]
    is_unbounded = subcommand == "LATEST" and words[0] == "*"
    if count == _NO_COUNT or (len(references) < needed and not is_unbounded):
        context.fail("INVALID_PARAMS", subcommand, "Invalid parameters")
        return
    log = _log(context, target)
    if log is None:
        context.fail("INVALID_TARGET", subcommand, target, "Messages could not be retrieved")
        return
    messages = yield from _messages(context, log)
    seen = visible(messages, events=context.client.has(Cap.EVENT_PLAYBACK))
    yield from context.reply_batch("chathistory", (target,), select(seen, references, count))


def _parse_count(text: str) -> int:
    return min(int(text), MAX_HISTORY_REPLIES) if text.isdecimal() else _NO_COUNT


def _log(context: CommandContext, target: str) -> Sequence[HistoryEntry] | None:
    """The log of a channel or conversation; None for a channel that the sender is not in."""
    if target.startswith("#"):
        channel = context.room.find_channel(target)
        is_joined = channel is not None and context.sender in channel.members
        return channel.history.entries if channel is not None and is_joined else None
    conversation = _conversations(context).get(fold(target))
    return conversation[1].entries if conversation is not None else ()


def _messages(
    context: CommandContext, log: Iterable[HistoryEntry]
) -> Generator[None, None, list[Message]]:
    """The messages of a log, in steps: making them takes most of the time of CHATHISTORY."""
    messages = []
    for entry in list(log):
        messages.append(message_of(entry))
        context.work += 2
        yield
    return messages


def _conversations(context: CommandContext) -> dict[str, tuple[str, History]]:
    history = context.room.private_histories.get(fold(context.sender.account))
    return history.conversations if history else {}


def _send_targets(context: CommandContext, params: Sequence[str]) -> Steps:
    bounds = [reference.value for reference in map(parse_reference, params[1:3]) if reference]
    count = _parse_count("".join(params[3:4]))
    if len(bounds) != 2 or count == _NO_COUNT:  # noqa: PLR2004 (from, to)
        context.fail("INVALID_PARAMS", "TARGETS", "Invalid parameters")
        return
    channels = context.room.channels_of(context.sender)
    logs = [(channel.name, channel.history) for channel in channels]
    logs += _conversations(context).values()
    times = [(_last_time(log), name) for name, log in logs if log.entries]
    found = sorted((at, name) for at, name in times if min(bounds) < at < max(bounds))
    server = context.room.settings.server_name
    messages = [Message("CHATHISTORY", ("TARGETS", name, at), server) for at, name in found]
    yield from context.reply_batch("draft/chathistory-targets", (), messages[:count])


def _last_time(log: History) -> str:
    return message_of(log.entries[-1]).tags["time"]


def replay(context: CommandContext, channel: Channel) -> Steps:
    """Send a new member the last messages, unless its client can request them itself."""
    client, count = context.client, context.room.settings.replay_lines
    if not count or client.has(Cap.CHATHISTORY):
        return
    messages = visible((yield from _messages(context, channel.history.entries)), events=False)[
        -count:
    ]
    if not client.has(Cap.SERVER_TIME):
        messages = [_with_clock(message) for message in messages]
    if messages:
        yield from context.reply_batch("chathistory", (channel.name,), messages)


def _with_clock(message: Message) -> Message:
    target, text = message.params
    return replace(message, params=(target, f"[{message.tags['time'][_CLOCK]}] {text}"))


def record_private(context: CommandContext, member: Member, message: Message) -> None:
    """Keep a private message for those of the two members that have an account."""
    _record(context, context.sender, member, message)
    if member is not context.sender:
        _record(context, member, context.sender, message)


def _record(context: CommandContext, owner: Member, other: Member, message: Message) -> None:
    lines = context.room.settings.limits.history_lines
    if owner.account and lines:
        histories = context.room.private_histories
        history = histories.setdefault(
            fold(owner.account), PrivateHistory(lines, context.room.memory)
        )
        history.add(other.folded, other.nick, message)


COMMANDS = {
    "CHATHISTORY": Command(chathistory, "LATEST|BEFORE|AFTER|AROUND|BETWEEN|TARGETS ...", params=1),
}
