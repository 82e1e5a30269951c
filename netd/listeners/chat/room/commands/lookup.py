"""Look-ups of members and channels for commands; a failed one sends the sender an error reply."""

from __future__ import annotations

from netd.listeners.chat.room.channel import Channel
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.member import Member
from netd.listeners.chat.room.numeric import Numeric


def split_targets(param: str) -> list[str]:
    """The names in a comma-separated parameter, without duplicates."""
    return list(dict.fromkeys(name for name in param.split(",") if name))


def find_member(context: CommandContext, nick: str) -> Member | None:
    """The registered member with a nick, or 401."""
    member = context.room.find_member(nick)
    if member is None:
        context.reply(Numeric.NOSUCHNICK, nick)
    return member


def find_channel(context: CommandContext, name: str) -> Channel | None:
    """The channel with a name, or 403."""
    channel = context.room.find_channel(name)
    if channel is None:
        context.reply(Numeric.NOSUCHCHANNEL, name)
    return channel


def find_joined_channel(context: CommandContext, name: str) -> Channel | None:
    """The channel with a name, or 403, or 442 if the sender is not in it."""
    channel = find_channel(context, name)
    if channel is not None and context.sender not in channel.members:
        context.reply(Numeric.NOTONCHANNEL, channel.name)
        return None
    return channel


def find_operated_channel(context: CommandContext, name: str) -> Channel | None:
    """The channel with a name, or an error if the sender is not an operator of it.

    An operator of the server need not be in the channel.
    """
    channel = context.room.find_channel(name)
    if channel is not None and context.sender.oper:
        return channel
    channel = find_joined_channel(context, name)
    if channel is not None and not channel.is_op(context.sender):
        context.reply(Numeric.CHANOPRIVSNEEDED, channel.name)
        return None
    return channel
