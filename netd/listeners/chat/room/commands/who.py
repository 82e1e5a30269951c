"""WHO and WHOX."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.channel import Channel
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands.base import Command
from netd.listeners.chat.room.mask import is_wild, matches
from netd.listeners.chat.room.member import Member
from netd.listeners.chat.room.numeric import Numeric
from netd.protocols.irc import fold

_MAX_REPLIES = 1000


def who(context: CommandContext, params: Sequence[str]) -> None:
    """Show the members of a channel, or those a mask fits."""
    mask = params[0] if params else "*"
    flags = params[1] if len(params) > 1 else ""
    channel = context.room.channels.get(fold(mask))
    found = _in_channel(context, channel) if channel else _by_mask(context, mask)
    only_opers = "o" in flags.partition("%")[0]
    shown = [each for each in found if each.oper or not only_opers]
    for member in shown[:_MAX_REPLIES]:
        seat = channel or _common(context, member)
        if "%" in flags:
            _reply_whox(context, member, seat, flags.partition("%")[2])
        else:
            _reply(context, member, seat)
    context.reply(Numeric.ENDOFWHO, mask)


def _in_channel(context: CommandContext, channel: Channel) -> list[Member]:
    viewer = context.member
    if viewer in channel.members or viewer.oper:
        return list(channel.members)
    if channel.is_secret:
        return []
    return [each for each in channel.members if "i" not in each.modes]


def _by_mask(context: CommandContext, mask: str) -> Iterable[Member]:
    room = context.room
    if not is_wild(mask) and mask != "0":
        member = room.members.get(fold(mask))
        if member is not None and member not in room.unregistered:
            return [member]
    mask = "*" if mask == "0" else mask
    return [
        each
        for each in room.members.values()
        if each not in room.unregistered and _fits(mask, each) and may_see(context, each)
    ]


def _fits(mask: str, member: Member) -> bool:
    texts = (member.nick, member.user, member.host, member.realname)
    return mask == "*" or any(matches(mask, text) for text in texts)


def may_see(context: CommandContext, member: Member) -> bool:
    """Whether a member shows up for somebody who did not name it (+i)."""
    viewer = context.member
    return (
        "i" not in member.modes
        or member is viewer
        or bool(viewer.oper)
        or not viewer.channels.keys().isdisjoint(member.channels)
    )


def _common(context: CommandContext, member: Member) -> Channel | None:
    """A channel to name beside a member: one the viewer may know of."""
    viewer = context.member
    for channel in member.channels.values():
        if viewer in channel.members or not (channel.is_secret or "i" in member.modes):
            return channel
    return None


def _flags(context: CommandContext, member: Member, channel: Channel | None) -> str:
    every = context.member.has(Cap.MULTI_PREFIX)
    return (
        ("G" if member.away else "H")
        + ("*" if member.oper else "")
        + (channel.status(member, every=every) if channel else "")
        + ("B" if "B" in member.modes else "")
    )


def _reply(context: CommandContext, member: Member, channel: Channel | None) -> None:
    context.reply(
        Numeric.WHOREPLY,
        channel.name if channel else "*",
        member.user,
        member.host,
        context.room.settings.server_name,
        member.nick,
        _flags(context, member, channel),
        f"0 {member.realname}",
    )


_Field = Callable[[CommandContext, Member, Channel | None], str]
_WHOX_FIELDS: dict[str, _Field] = {  # in the order of the reply
    "c": lambda _exchange, _member, channel: channel.name if channel else "*",
    "u": lambda _exchange, member, _channel: member.user,
    "i": lambda context, member, _channel: _address(context, member),
    "h": lambda _exchange, member, _channel: member.host,
    "s": lambda context, _member, _channel: context.room.settings.server_name,
    "n": lambda _exchange, member, _channel: member.nick,
    "f": _flags,
    "d": lambda _exchange, _member, _channel: "0",
    "l": lambda context, member, _channel: str(int(context.now - member.idle_since)),
    "a": lambda _exchange, member, _channel: member.account or "0",
    "o": lambda _exchange, _member, _channel: "n/a",
    "r": lambda _exchange, member, _channel: member.realname,
}


def _address(context: CommandContext, member: Member) -> str:
    is_trusted = context.member is member or context.member.oper
    return member.host if is_trusted else "255.255.255.255"


def _reply_whox(
    context: CommandContext, member: Member, channel: Channel | None, asked: str
) -> None:
    letters, _, token = asked.partition(",")
    values = [
        make(context, member, channel) for letter, make in _WHOX_FIELDS.items() if letter in letters
    ]
    context.reply(Numeric.WHOSPCRPL, *([token] if "t" in letters else []), *values)


COMMANDS = {"WHO": Command(who, "[#channel|<mask> [o][%<fields>[,<token>]]]")}
