"""LIST, with the searches ELIST=CMNTU promises."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netd.protocols.irc import fold
from netd.protocols.room.channel import Channel
from netd.protocols.room.command.base import Command
from netd.protocols.room.exchange import Exchange
from netd.protocols.room.mask import matches
from netd.protocols.room.numeric import Numeric

_Test = Callable[[Channel], bool]


def list_(exchange: Exchange, params: Sequence[str]) -> None:
    """Show channels: all, those named, or those that every condition fits."""
    room, member = exchange.room, exchange.member
    tests = [_test(exchange, each) for each in (params[0].split(",") if params else ()) if each]
    exchange.reply(Numeric.LISTSTART, "Channel")
    shown = 0
    for channel in room.channels.values():
        hidden = channel.is_secret and member not in channel.members and not member.oper
        if hidden or not all(test(channel) for test in tests):
            continue
        topic = channel.topic.text if channel.topic else ""
        exchange.reply(Numeric.LIST, channel.name, str(len(channel.members)), topic)
        shown += 1
        if shown == room.settings.limits.list_replies:
            break
    exchange.reply(Numeric.LISTEND)


def _test(exchange: Exchange, condition: str) -> _Test:
    kind, value = condition[:1], condition[1:]
    if kind == "!":
        return lambda channel: not matches(value, channel.name)
    if kind in "<>" and value.isdecimal():
        return lambda channel: _compare(kind, len(channel.members), int(value))
    if kind in "CT" and value[:1] in ("<", ">") and value[1:].isdecimal():
        return _age_test(exchange, kind, value)
    if "*" in condition or "?" in condition:
        return lambda channel: matches(condition, channel.name)
    named = fold(condition)
    return lambda channel: channel.folded == named


def _age_test(exchange: Exchange, kind: str, value: str) -> _Test:
    """Less or more than so many minutes since the creation (C) or the topic (T)."""
    minutes = int(value[1:])

    def test(channel: Channel) -> bool:
        since = channel.created if kind == "C" else channel.topic.at if channel.topic else None
        return since is not None and _compare(value[0], (exchange.now - since) / 60, minutes)

    return test


def _compare(sign: str, number: float, bound: int) -> bool:
    return number < bound if sign == "<" else number > bound


COMMANDS = {"LIST": Command(list_, "[#channel|<mask>|>n|<n|C>m|C<m|T>m|T<m]")}
