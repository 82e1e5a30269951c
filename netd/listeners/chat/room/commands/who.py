"""WHO, and its extended form WHOX."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.channel import Channel
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands.base import Command, Steps
from netd.listeners.chat.room.mask import has_wildcards, matches
from netd.listeners.chat.room.member import Member
from netd.listeners.chat.room.numeric import Numeric

_MAX_REPLIES = 1000


def who(context: CommandContext, params: Sequence[str]) -> Steps:
    """Show the members of a channel, or those that match a mask."""
    mask = params[0] if params else "*"
    letters, percent, fields = (params[1] if len(params) > 1 else "").partition("%")
    requested = context.room.find_channel(mask)
    shown = 0
    for member in _in_channel(context, requested) if requested else _by_mask(context, mask):
        if member is not None and (member.oper or "o" not in letters):
            channel = requested or _visible_channel(context, member)
            if percent:
                _reply_whox(context, member, channel, fields)
            else:
                _reply(context, member, channel)
            shown += 1
        if shown == _MAX_REPLIES:
            break
        yield
    context.reply(Numeric.ENDOFWHO, mask)


def _in_channel(context: CommandContext, channel: Channel) -> Iterator[Member | None]:
    """The visible members of a channel; None for each member that is not shown."""
    viewer = context.sender
    for member in list(channel.members):
        context.work += 1
        is_visible = viewer.oper or channel.shows_to(viewer, member)
        yield member if is_visible and member in channel.members else None


def _by_mask(context: CommandContext, mask: str) -> Iterator[Member | None]:
    """The visible members that match a mask; None for each member that does not."""
    room = context.room
    named = None if has_wildcards(mask) else room.find_member(mask)
    if named is not None:
        yield named
        return
    if len(mask.encode()) > room.settings.limits.mask_bytes:
        return  # the mask is longer than any text that it could match
    mask = "*" if mask == "0" else mask
    for member in room.registered_members():
        context.work += 1 if mask == "*" else 4 + len(mask)
        is_found = member.is_registered and _matches(context, mask, member)
        yield member if is_found and _is_visible(context, member) else None


def _matches(context: CommandContext, mask: str, member: Member) -> bool:
    texts = [member.nick, member.user, member.host, member.realname]
    if context.sender.oper:
        texts.append(member.address)
    return mask == "*" or any(matches(mask, text) for text in texts)


def _is_visible(context: CommandContext, member: Member) -> bool:
    """Whether the sender may see a member whose nick it did not give (+i)."""
    viewer = context.sender
    return (
        not member.is_invisible
        or member is viewer
        or bool(viewer.oper)
        or not viewer.channels.keys().isdisjoint(member.channels)
    )


def _visible_channel(context: CommandContext, member: Member) -> Channel | None:
    """A channel of the member that the sender may see."""
    viewer = context.sender
    for channel in context.room.channels_of(member):
        if channel.shows_to(viewer, member):
            return channel
    return None


def _flags(context: CommandContext, member: Member, channel: Channel | None) -> str:
    every = context.client.has(Cap.MULTI_PREFIX)
    return (
        ("G" if member.away else "H")
        + ("*" if member.oper else "")
        + (channel.status_prefix(member, every=every) if channel else "")
        + ("B" if member.is_bot else "")
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
    "c": lambda _context, _member, channel: channel.name if channel else "*",
    "u": lambda _context, member, _channel: member.user,
    "i": lambda context, member, _channel: _address(context, member),
    "h": lambda _context, member, _channel: member.host,
    "s": lambda context, _member, _channel: context.room.settings.server_name,
    "n": lambda _context, member, _channel: member.nick,
    "f": _flags,
    "d": lambda _context, _member, _channel: "0",
    "l": lambda context, member, _channel: str(int(context.now - member.idle_since)),
    "a": lambda _context, member, _channel: member.account or "0",
    "o": lambda _context, _member, _channel: "n/a",
    "r": lambda _context, member, _channel: member.realname,
}


def _address(context: CommandContext, member: Member) -> str:
    is_trusted = context.sender is member or context.sender.oper
    return member.address if is_trusted else "255.255.255.255"


def _reply_whox(
    context: CommandContext, member: Member, channel: Channel | None, fields: str
) -> None:
    letters, _, token = fields.partition(",")
    values = [
        value(context, member, channel)
        for letter, value in _WHOX_FIELDS.items()
        if letter in letters
    ]
    context.reply(Numeric.WHOSPCRPL, *([token] if "t" in letters else []), *values)


COMMANDS = {"WHO": Command(who, "[#channel|<mask> [o][%<fields>[,<token>]]]")}
