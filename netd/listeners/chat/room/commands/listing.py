"""LIST, with the conditions of ELIST=CMNTU."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from netd.listeners.chat.room.channel import Channel
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands.base import Command, Steps
from netd.listeners.chat.room.mask import has_wildcards, matches
from netd.listeners.chat.room.member import Member
from netd.listeners.chat.room.numeric import Numeric
from netd.protocols.irc import fold

MAX_CONDITIONS: Final = 10
_Condition = Callable[[Channel], bool]


def list_(context: CommandContext, params: Sequence[str]) -> Steps:
    """List the channels that are named, or all, if they meet every condition."""
    room, member = context.room, context.sender
    words = [word for word in params[0].split(",") if word] if params else []
    names = [word for word in words if _is_name(word)]
    conditions = [_condition(context, word) for word in words if not _is_name(word)]
    if len(conditions) > MAX_CONDITIONS:
        context.reply(Numeric.TOOMANYTARGETS, "LIST")
        return
    context.reply(Numeric.LISTSTART, "Channel")
    shown = 0
    for channel in _named(context, names) if names else list(room.channels.values()):
        context.work += 1 + len(params[0]) // 4 if conditions else 1
        is_shown = room.channels.get(channel.folded) is channel and _may_see(member, channel)
        if is_shown and all(condition(channel) for condition in conditions):
            topic = channel.topic.text if channel.topic else ""
            context.reply(Numeric.LIST, channel.name, str(len(channel.members)), topic)
            shown += 1
        if shown == room.settings.limits.list_replies:
            break
        yield
    context.reply(Numeric.LISTEND)


def _may_see(member: Member, channel: Channel) -> bool:
    return channel.is_known_to(member) or bool(member.oper)


def _is_name(word: str) -> bool:
    return word.startswith("#") and not has_wildcards(word)


def _named(context: CommandContext, names: Iterable[str]) -> list[Channel]:
    found = map(context.room.find_channel, names)
    return list(dict.fromkeys(channel for channel in found if channel is not None))


def _condition(context: CommandContext, text: str) -> _Condition:
    kind, value = text[:1], text[1:]
    if kind == "!":
        return lambda channel: not matches(value, channel.name)
    if kind in "<>" and value.isdecimal():
        return lambda channel: _compare(kind, len(channel.members), int(value))
    if kind in "CT" and value[:1] in ("<", ">") and value[1:].isdecimal():
        return _age_condition(context, kind, value)
    if has_wildcards(text):
        return lambda channel: matches(text, channel.name)
    folded = fold(text)
    return lambda channel: channel.folded == folded


def _age_condition(context: CommandContext, kind: str, value: str) -> _Condition:
    """Compare the minutes since the creation (C) or the last topic (T) with a bound."""
    minutes = int(value[1:])

    def condition(channel: Channel) -> bool:
        since = channel.created if kind == "C" else channel.topic.at if channel.topic else None
        return since is not None and _compare(value[0], (context.now - since) / 60, minutes)

    return condition


def _compare(sign: str, number: float, bound: int) -> bool:
    return number < bound if sign == "<" else number > bound


COMMANDS = {"LIST": Command(list_, "[#channel|<mask>|>n|<n|C>m|C<m|T>m|T<m]")}
