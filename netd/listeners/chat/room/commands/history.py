"""CHATHISTORY (IRCv3 draft/chathistory), and a replay for those whose clients cannot ask."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.channel import Channel
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands.base import Command
from netd.listeners.chat.room.history import (
    Log,
    Mailbox,
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
_SELECTIONS: dict[str, tuple[int, _Select]] = {  # subcommand -> references, selection
    "LATEST": (1, lambda log, refs, count: latest(log, refs[0] if refs else None, count)),
    "BEFORE": (1, lambda log, refs, count: before(log, refs[0], count)),
    "AFTER": (1, lambda log, refs, count: after(log, refs[0], count)),
    "AROUND": (1, lambda log, refs, count: around(log, refs[0], count)),
    "BETWEEN": (2, lambda log, refs, count: between(log, refs[0], refs[1], count)),
}


def chathistory(context: CommandContext, params: Sequence[str]) -> None:
    """Give a part of a channel's or a conversation's history, or name those that have any."""
    subcommand = params[0].upper()
    if subcommand == "TARGETS":
        _targets(context, params)
    elif subcommand not in _SELECTIONS:
        context.fail("INVALID_PARAMS", subcommand, "Unknown command")
    else:
        _select(context, subcommand, params)


def _select(context: CommandContext, subcommand: str, params: Sequence[str]) -> None:
    wanted, select = _SELECTIONS[subcommand]
    if len(params) < wanted + 3:
        context.fail("NEED_MORE_PARAMS", subcommand, "Missing parameters")
        return
    target, count = params[1], _count(params[wanted + 2])
    words = params[2 : wanted + 2]
    references = [ref for ref in map(parse_reference, words) if ref]
    is_open = subcommand == "LATEST" and words[0] == "*"
    if count == _NO_COUNT or (len(references) < wanted and not is_open):
        context.fail("INVALID_PARAMS", subcommand, "Invalid parameters")
        return
    log = _log(context, target)
    if log is None:
        context.fail("INVALID_TARGET", subcommand, target, "Messages could not be retrieved")
        return
    seen = visible(log, events=context.member.has(Cap.EVENT_PLAYBACK))
    context.batch("chathistory", (target,), select(seen, references, count))


def _count(text: str) -> int:
    return min(int(text), MAX_HISTORY_REPLIES) if text.isdecimal() else _NO_COUNT


def _log(context: CommandContext, target: str) -> deque[Message] | None:
    """The log of a target, None for a channel the sender is not in."""
    if target.startswith("#"):
        channel = context.member.channels.get(fold(target))
        return channel.log() if channel else None
    return _mailbox_logs(context).get(fold(target), (target, deque[Message]()))[1]


def _mailbox_logs(context: CommandContext) -> dict[str, tuple[str, deque[Message]]]:
    mailbox = context.room.mailboxes.get(fold(context.member.account))
    return mailbox.logs if mailbox else {}


def _targets(context: CommandContext, params: Sequence[str]) -> None:
    bounds = [ref.value for ref in map(parse_reference, params[1:3]) if ref]
    count = _count("".join(params[3:4]))
    if len(bounds) != 2 or count == _NO_COUNT:  # noqa: PLR2004 (from, to)
        context.fail("INVALID_PARAMS", "TARGETS", "Invalid parameters")
        return
    logs = [(each.name, each.log()) for each in context.member.channels.values()]
    logs += _mailbox_logs(context).values()
    times = ((log[-1].tags["time"], name) for name, log in logs if log)
    found = sorted(each for each in times if min(bounds) < each[0] < max(bounds))
    server = context.room.settings.server_name
    messages = [Message("CHATHISTORY", ("TARGETS", name, at), server) for at, name in found]
    context.batch("draft/chathistory-targets", (), messages[:count])


def replay(context: CommandContext, channel: Channel) -> None:
    """Give a newcomer the last lines, unless its client asks for them itself."""
    member, count = context.member, context.room.settings.replay_lines
    if not count or member.has(Cap.CHATHISTORY):
        return
    lines = visible(channel.log(), events=False)[-count:]
    if not member.has(Cap.SERVER_TIME):
        lines = [_with_clock(each) for each in lines]
    if lines:
        context.batch("chathistory", (channel.name,), lines)


def _with_clock(message: Message) -> Message:
    target, text = message.params
    return replace(message, params=(target, f"[{message.tags['time'][_CLOCK]}] {text}"))


def keep_private(context: CommandContext, member: Member, message: Message) -> None:
    """Keep what is said in private for those of both who have an account."""
    _keep(context, context.member, member, message)
    if member is not context.member:
        _keep(context, member, context.member, message)


def _keep(context: CommandContext, owner: Member, other: Member, message: Message) -> None:
    lines = context.room.settings.limits.history_lines
    if owner.account and lines:
        mailbox = context.room.mailboxes.setdefault(fold(owner.account), Mailbox(lines))
        mailbox.keep(other.folded, other.nick, message)


COMMANDS = {
    "CHATHISTORY": Command(chathistory, "LATEST|BEFORE|AFTER|AROUND|BETWEEN|TARGETS ...", params=1),
}
