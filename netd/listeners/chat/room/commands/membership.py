"""Membership in channels: JOIN, PART, KICK, INVITE, NAMES."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from netd.listeners.chat.room import presence
from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.channel import Channel
from netd.listeners.chat.room.command_context import CommandContext, cut_at_space
from netd.listeners.chat.room.commands import read_marker
from netd.listeners.chat.room.commands.base import Command, Steps
from netd.listeners.chat.room.commands.history import replay
from netd.listeners.chat.room.commands.lookup import (
    find_joined_channel,
    find_member,
    find_operated_channel,
    split_targets,
)
from netd.listeners.chat.room.commands.topic import show_topic
from netd.listeners.chat.room.member import Client, Member
from netd.listeners.chat.room.numeric import Numeric
from netd.protocols.irc import Message, is_channel

_NAMES_A_LINE: Final = 64
_NAMES_A_WORK: Final = 4  # names that are shown in about a microsecond


def join(context: CommandContext, params: Sequence[str]) -> Steps:
    """Join channels; `JOIN 0` leaves all."""
    if params[0] == "0":
        for channel in context.room.channels_of(context.sender):
            if context.sender in channel.members:
                _part(context, channel, "")
            yield
        return
    keys = params[1].split(",") if len(params) > 1 else []
    for index, name in enumerate(split_targets(params[0])):
        yield from join_channel(context, name, keys[index] if index < len(keys) else "")


def join_channel(context: CommandContext, name: str, key: str) -> Steps:
    """Add the sender to a channel if the channel's modes allow it."""
    room, member = context.room, context.sender
    if not is_channel(name, room.settings.limits.channel_chars):
        context.reply(Numeric.NOSUCHCHANNEL, name)
        return
    channel = room.find_channel(name)
    if channel is not None and member in channel.members:
        return
    refusal = refusal_of(context, channel, key)
    if refusal is not None:
        context.reply(refusal, channel.name if channel else name)
        return
    is_new = channel is None
    channel = channel or room.open_channel(name, context.now)
    channel.add(member, "o" if is_new else "")
    channel.access.since[member] = room.ids.position + 1
    announce_join(context, channel)
    _show_marker_and_topic(context, channel)
    if is_new:
        context.save(channel)
    else:
        presence.restore_status(context, channel)
    yield from _show_names_on_join(context, channel)
    yield from replay(context, channel)
    for client in list(member.clients):
        if client is not context.client:
            yield from show_to(context, client, channel)


def show_to(context: CommandContext, client: Client, channel: Channel) -> Steps:
    """Show another client of the sender the channel that the sender has joined."""
    other = CommandContext(context.room, client, context.now)
    for _ in _show_state(other, channel):
        if client.is_registered and client not in context.room.ghosts:
            context.take_over(other)
        yield


def _show_state(context: CommandContext, channel: Channel) -> Steps:
    """Show the client the topic and the members of a channel."""
    _show_marker_and_topic(context, channel)
    yield from _show_names_on_join(context, channel)
    yield


def show_channel(context: CommandContext, channel: Channel) -> Steps:
    """Show the sender a channel that it returns to, as if it joined; no other member gets it."""
    is_extended = context.client.has(Cap.EXTENDED_JOIN)
    context.reply_message(join_message(context.sender, channel, is_extended=is_extended))
    yield from _show_state(context, channel)


def _show_marker_and_topic(context: CommandContext, channel: Channel) -> None:
    if context.client.has(Cap.READ_MARKER):
        read_marker.show(context, channel.name)
    if channel.topic:
        show_topic(context, channel.name, channel.topic)


def refusal_of(context: CommandContext, channel: Channel | None, key: str) -> Numeric | None:
    """Why the sender may not join a channel, or create it; None if it may."""
    room, member, limits = context.room, context.sender, context.room.settings.limits
    if len(member.channels) >= limits.channels_per_member:
        return Numeric.TOOMANYCHANNELS
    if channel is None and room.memory.is_full and room.entrants is None:  # each host has its own
        return Numeric.UNAVAILRESOURCE
    if channel is None:
        return Numeric.TOOMANYCHANNELS if len(room.channels) >= limits.channels else None
    if member in channel.invited or member.oper or channel.was_op(member):
        return None
    checks = {
        Numeric.BADCHANNELKEY: channel.modes.get("k", key) != key,
        Numeric.CHANNELISFULL: len(channel.members) >= int(channel.modes.get("l", "0") or 0) > 0,
        Numeric.INVITEONLYCHAN: "i" in channel.modes and not channel.has_invite_exception(member),
        Numeric.NEEDREGGEDNICK: "R" in channel.modes and not member.account,
        Numeric.BANNEDFROMCHAN: channel.is_banned(member),
    }
    return next((numeric for numeric, applies in checks.items() if applies), None)


def announce_join(context: CommandContext, channel: Channel) -> None:
    """Show the clients of a channel that the sender has joined it."""
    sender = context.sender
    plain = join_message(sender, channel, is_extended=False)
    extended = join_message(sender, channel, is_extended=True)
    bit, clients = int(Cap.EXTENDED_JOIN), channel.clients()
    context.send_to_clients([client for client in clients if client.caps & bit], extended)
    context.send_to_clients([client for client in clients if not client.caps & bit], plain)
    if sender.away:
        away = context.message_from_sender("AWAY", sender.away)
        context.send_to_clients(clients, away, context.client, Cap.AWAY_NOTIFY)


def join_message(member: Member, channel: Channel, *, is_extended: bool) -> Message:
    """The JOIN of a member; the extended one has the account and the real name."""
    about = (member.account or "*", member.realname) if is_extended else ()
    return Message("JOIN", (channel.name, *about), member.prefix, member.message_tags())


def part(context: CommandContext, params: Sequence[str]) -> Steps:
    """Leave channels."""
    for name in split_targets(params[0]):
        channel = find_joined_channel(context, name)
        if channel is not None:
            _part(context, channel, params[1] if len(params) > 1 else "")
        yield


def _part(context: CommandContext, channel: Channel, reason: str) -> None:
    params = (channel.name, reason) if reason else (channel.name,)
    context.broadcast(channel, context.message_from_sender("PART", *params))
    presence.leave_channel(context, channel, context.sender)


def kick(context: CommandContext, params: Sequence[str]) -> Steps:
    """Remove members from one channel, or each member from the channel at the same position."""
    names_, nicks = params[0].split(","), params[1].split(",")
    if len(names_) == 1:
        names_ *= len(nicks)
    limit = context.room.settings.limits.kick_chars
    reason = "".join(params[2:3])[:limit] or context.sender.nick
    for name, nick in zip(names_, nicks, strict=False):
        channel = find_operated_channel(context, name)
        if channel is None:
            return
        _kick(context, channel, nick, reason)
        yield


def _kick(context: CommandContext, channel: Channel, nick: str, reason: str) -> None:
    victim = find_member(context, nick)
    if victim is None:
        return
    if victim not in channel.members:
        context.reply(Numeric.USERNOTINCHANNEL, nick, channel.name)
    else:
        message = context.message_from_sender("KICK", channel.name, victim.nick, reason)
        context.broadcast(channel, message)
        presence.leave_channel(context, channel, victim)


def invite(context: CommandContext, params: Sequence[str]) -> None:
    """Invite a member to a channel; without parameters, show the sender's invitations."""
    if len(params) < 2:  # noqa: PLR2004 (a nick and a channel)
        _show_invitations(context, params)
        return
    guest = find_member(context, params[0])
    channel = find_joined_channel(context, params[1]) if guest is not None else None
    if guest is None or channel is None:
        return
    if guest in channel.members:
        context.reply(Numeric.USERONCHANNEL, guest.nick, channel.name)
    elif "i" in channel.modes and not channel.is_op(context.sender):
        context.reply(Numeric.CHANOPRIVSNEEDED, channel.name)
    else:
        _invite(context, channel, guest)


def _invite(context: CommandContext, channel: Channel, guest: Member) -> None:
    if channel.is_op(context.sender):  # only an operator's invitation overrides +b, +k and +l
        channel.invited.add(guest)
        guest.invites |= {channel.folded}
    context.reply(Numeric.INVITING, guest.nick, channel.name)
    if guest.away:
        context.reply(Numeric.AWAY, guest.nick, guest.away)
    message = context.message_from_sender("INVITE", guest.nick, channel.name)
    context.send_to((guest,), message)
    operators = [member for member in channel.members if channel.is_op(member)]
    context.send_to(operators, message, context.client, Cap.INVITE_NOTIFY)


def _show_invitations(context: CommandContext, params: Sequence[str]) -> None:
    if params:
        context.reply(Numeric.NEEDMOREPARAMS, "INVITE")
        return
    for folded in sorted(context.sender.invites):
        context.reply(Numeric.INVITELIST_OWN, context.room.channels[folded].name)
    context.reply(Numeric.ENDOFINVITELIST_OWN)


def names(context: CommandContext, params: Sequence[str]) -> Steps:
    """Show the members of channels."""
    requested = params[0] if params else "*"
    for name in split_targets(requested):
        channel = context.room.find_channel(name)
        if channel is not None and channel.is_known_to(context.sender):
            sees_all = context.sender in channel.members
            yield from _show_names(context, channel, sees_all=sees_all)
    context.reply(Numeric.ENDOFNAMES, requested)


def _show_names_on_join(context: CommandContext, channel: Channel) -> Steps:
    """Show the client the members of a channel that it enters, unless it does not want them.

    A remote client gets them from its own host.
    """
    if not (context.client.is_remote or context.client.has(Cap.NO_IMPLICIT_NAMES)):
        yield from _show_names(context, channel, sees_all=True)
        context.reply(Numeric.ENDOFNAMES, channel.name)


def _show_names(context: CommandContext, channel: Channel, *, sees_all: bool) -> Steps:
    params = ("@" if channel.is_secret else "=", channel.name)
    max_bytes = context.free_bytes(Numeric.NAMREPLY, params)
    for line in _lines_of_names(context.client, channel, max_bytes, sees_all=sees_all):
        context.reply(Numeric.NAMREPLY, *params, line)
        context.work += line.count(" ") // _NAMES_A_WORK
        yield


def _lines_of_names(
    client: Client, channel: Channel, max_bytes: int, *, sees_all: bool
) -> Iterator[str]:
    """The visible names in lines; after a pause, as they are then.

    A large channel has thousands of names, so they are joined and cut, and not looked at one by
    one.
    """
    every, full = client.has(Cap.MULTI_PREFIX), client.has(Cap.USERHOST_IN_NAMES)
    members, held = list(channel.members), channel.members
    first = 0
    while first < len(members):
        chunk = [
            member
            for member in members[first : first + _NAMES_A_LINE]
            if member in held and (sees_all or not member.is_invisible)
        ]
        names = [
            (channel.status_prefix(member, every=every) if held[member] else "")
            + (member.prefix if full else member.nick)
            for member in chunk
        ]
        line = cut_at_space(" ".join(names), max_bytes)
        used = line.count(" ") + 1
        if used < len(chunk):
            first = members.index(chunk[used], first)
        else:
            first += _NAMES_A_LINE
        if line:
            yield line


COMMANDS = {
    "JOIN": Command(join, "#channel[,#channel] [<key>[,<key>]]", params=1),
    "PART": Command(part, "#channel[,#channel] [:<reason>]", params=1),
    "KICK": Command(kick, "#channel <nick>[,<nick>] [:<reason>]", params=2),
    "INVITE": Command(invite, "<nick> #channel"),
    "NAMES": Command(names, "#channel[,#channel]"),
}
