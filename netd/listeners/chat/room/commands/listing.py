"""LIST, with the searches ELIST=CMNTU promises."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netd.listeners.chat.room.channel import Channel
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands.base import Command
from netd.listeners.chat.room.mask import matches
from netd.listeners.chat.room.numeric import Numeric
from netd.protocols.irc import fold

_Test = Callable[[Channel], bool]


def list_(context: CommandContext, params: Sequence[str]) -> None:
    """Show channels: all, those named, or those that every condition fits."""
    room, member = context.room, context.member
    tests = [_test(context, each) for each in (params[0].split(",") if params else ()) if each]
    context.reply(Numeric.LISTSTART, "Channel")
    shown = 0
    for channel in room.channels.values():
        hidden = channel.is_secret and member not in channel.members and not member.oper
        if hidden or not all(test(channel) for test in tests):
            continue
        topic = channel.topic.text if channel.topic else ""
        context.reply(Numeric.LIST, channel.name, str(len(channel.members)), topic)
        shown += 1
        if shown == room.settings.limits.list_replies:
            break
    context.reply(Numeric.LISTEND)


def _test(context: CommandContext, condition: str) -> _Test:
    kind, value = condition[:1], condition[1:]
    if kind == "!":
        return lambda channel: not matches(value, channel.name)
    if kind in "<>" and value.isdecimal():
        return lambda channel: _compare(kind, len(channel.members), int(value))
    if kind in "CT" and value[:1] in ("<", ">") and value[1:].isdecimal():
        return _age_test(context, kind, value)
    if "*" in condition or "?" in condition:
        return lambda channel: matches(condition, channel.name)
    named = fold(condition)
    return lambda channel: channel.folded == named


def _age_test(context: CommandContext, kind: str, value: str) -> _Test:
    """Less or more than so many minutes since the creation (C) or the topic (T)."""
    minutes = int(value[1:])

    def test(channel: Channel) -> bool:
        since = channel.created if kind == "C" else channel.topic.at if channel.topic else None
        return since is not None and _compare(value[0], (context.now - since) / 60, minutes)

    return test


def _compare(sign: str, number: float, bound: int) -> bool:
    return number < bound if sign == "<" else number > bound


COMMANDS = {"LIST": Command(list_, "[#channel|<mask>|>n|<n|C>m|C<m|T>m|T<m]")}
