"""Channels: JOIN, PART, KICK, INVITE, TOPIC, NAMES."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netd.listeners.chat.room import presence
from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.channel import Channel, Topic
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands import read_marker
from netd.listeners.chat.room.commands.base import Command
from netd.listeners.chat.room.commands.history import replay
from netd.listeners.chat.room.effect import SaveChannel
from netd.listeners.chat.room.member import Member
from netd.listeners.chat.room.numeric import Numeric
from netd.protocols.irc import fold, is_channel

_MAX_TARGETS = 20


def targets(param: str) -> list[str]:
    """The names of a comma-separated parameter, each once."""
    return list(dict.fromkeys(each for each in param.split(",") if each))[:_MAX_TARGETS]


def find(context: CommandContext, name: str) -> Channel | None:
    """The channel of that name; says so if there is none."""
    channel = context.room.channels.get(fold(name))
    if channel is None:
        context.reply(Numeric.NOSUCHCHANNEL, name)
    return channel


def find_joined(context: CommandContext, name: str) -> Channel | None:
    """The channel of that name; says so if there is none or the sender is not in it."""
    channel = find(context, name)
    if channel is not None and context.member not in channel.members:
        context.reply(Numeric.NOTONCHANNEL, channel.name)
        return None
    return channel


def join(context: CommandContext, params: Sequence[str]) -> None:
    """Enter channels; `0` leaves them all."""
    if params[0] == "0":
        for channel in list(context.member.channels.values()):
            _part(context, channel, "")
        return
    keys = params[1].split(",") if len(params) > 1 else []
    for index, name in enumerate(targets(params[0])):
        enter(context, name, keys[index] if index < len(keys) else "")


def enter(context: CommandContext, name: str, key: str) -> None:
    """Let the sender into a channel if its modes allow it."""
    room, member = context.room, context.member
    if not is_channel(name, room.settings.limits.channel_chars):
        context.reply(Numeric.NOSUCHCHANNEL, name)
        return
    channel = room.channels.get(fold(name))
    if channel is not None and member in channel.members:
        return
    refusal = _refusal(context, channel, key)
    if refusal is not None:
        context.reply(refusal, channel.name if channel else name)
        return
    is_new = channel is None
    channel = channel or room.open_channel(name, context.now)
    channel.add(member, "o" if is_new else "")
    _announce_join(context, channel)
    if member.has(Cap.READ_MARKER):
        read_marker.show(context, channel.name)
    if channel.topic:
        _show_topic(context, channel)
    _show_names(context, channel)
    context.reply(Numeric.ENDOFNAMES, channel.name)
    replay(context, channel)


def _refusal(context: CommandContext, channel: Channel | None, key: str) -> Numeric | None:
    room, member, limits = context.room, context.member, context.room.settings.limits
    if len(member.channels) >= limits.channels_per_member:
        return Numeric.TOOMANYCHANNELS
    if channel is None:
        return Numeric.TOOMANYCHANNELS if len(room.channels) >= limits.channels else None
    if member in channel.invited or member.oper:
        return None
    checks = {
        Numeric.BADCHANNELKEY: channel.modes.get("k", key) != key,
        Numeric.CHANNELISFULL: len(channel.members) >= int(channel.modes.get("l", "0") or 0) > 0,
        Numeric.INVITEONLYCHAN: "i" in channel.modes and not channel.is_welcome(member),
        Numeric.BANNEDFROMCHAN: channel.is_banned(member),
    }
    return next((numeric for numeric, holds in checks.items() if holds), None)


def _announce_join(context: CommandContext, channel: Channel) -> None:
    member = context.member
    plain = context.from_member("JOIN", channel.name)
    extended = context.from_member("JOIN", channel.name, member.account or "*", member.realname)
    bit = int(Cap.EXTENDED_JOIN)
    context.send([each for each in channel.members if each.caps & bit], extended)
    context.send([each for each in channel.members if not each.caps & bit], plain)
    if member.away:
        away = context.from_member("AWAY", member.away)
        noticing = [each for each in channel.members if each.has(Cap.AWAY_NOTIFY)]
        context.send(noticing, away, member)


def part(context: CommandContext, params: Sequence[str]) -> None:
    """Leave channels."""
    for name in targets(params[0]):
        channel = find_joined(context, name)
        if channel is not None:
            _part(context, channel, params[1] if len(params) > 1 else "")


def _part(context: CommandContext, channel: Channel, reason: str) -> None:
    said = (channel.name, reason) if reason else (channel.name,)
    context.broadcast(channel, context.from_member("PART", *said), to_self=True)
    presence.leave_channel(context, channel, context.member)


def kick(context: CommandContext, params: Sequence[str]) -> None:
    """Put members out of a channel, or each one out of the channel that stands for it."""
    names_, nicks = params[0].split(",")[:_MAX_TARGETS], params[1].split(",")[:_MAX_TARGETS]
    if len(names_) == 1:
        names_ *= len(nicks)
    limit = context.room.settings.limits.kick_chars
    said = "".join(params[2:3])[:limit] or context.member.nick
    for name, nick in zip(names_, nicks, strict=False):
        channel = find_ruled(context, name)
        if channel is None:
            return
        _kick(context, channel, nick, said)


def _kick(context: CommandContext, channel: Channel, nick: str, reason: str) -> None:
    victim = context.room.members.get(fold(nick))
    if victim is None:
        context.reply(Numeric.NOSUCHNICK, nick)
    elif victim not in channel.members:
        context.reply(Numeric.USERNOTINCHANNEL, nick, channel.name)
    else:
        message = context.from_member("KICK", channel.name, victim.nick, reason)
        context.broadcast(channel, message, to_self=True)
        presence.leave_channel(context, channel, victim)


def find_ruled(context: CommandContext, name: str) -> Channel | None:
    """The channel of that name; says so if the sender does not rule it."""
    channel = context.room.channels.get(fold(name))
    if channel is not None and context.member.oper:
        return channel
    channel = find_joined(context, name)
    if channel is not None and not channel.is_op(context.member):
        context.reply(Numeric.CHANOPRIVSNEEDED, channel.name)
        return None
    return channel


def invite(context: CommandContext, params: Sequence[str]) -> None:
    """Ask somebody into a channel; without parameters, show who asked the sender where."""
    if len(params) < 2:  # noqa: PLR2004 (a nick and a channel)
        _own_invites(context, params)
        return
    guest = find_present(context, params[0])
    channel = find_joined(context, params[1]) if guest is not None else None
    if guest is None or channel is None:
        return
    if guest in channel.members:
        context.reply(Numeric.USERONCHANNEL, guest.nick, channel.name)
    elif "i" in channel.modes and not channel.is_op(context.member):
        context.reply(Numeric.CHANOPRIVSNEEDED, channel.name)
    else:
        _invite(context, channel, guest)


def _invite(context: CommandContext, channel: Channel, guest: Member) -> None:
    if channel.is_op(context.member):  # who does not rule here lets nobody past +b, +k or +l
        channel.invited.add(guest)
        guest.invites.add(channel.folded)
    context.reply(Numeric.INVITING, guest.nick, channel.name)
    if guest.away:
        context.reply(Numeric.AWAY, guest.nick, guest.away)
    message = context.from_member("INVITE", guest.nick, channel.name)
    context.send((guest,), message)
    noticing = [
        each for each in channel.members if each.has(Cap.INVITE_NOTIFY) and channel.is_op(each)
    ]
    context.send(noticing, message, context.member)


def _own_invites(context: CommandContext, params: Sequence[str]) -> None:
    if params:
        context.reply(Numeric.NEEDMOREPARAMS, "INVITE")
        return
    for folded in sorted(context.member.invites):
        context.reply(Numeric.INVITELIST_OWN, context.room.channels[folded].name)
    context.reply(Numeric.ENDOFINVITELIST_OWN)


def find_present(context: CommandContext, nick: str) -> Member | None:
    """The member of that nick, registered; says so if there is none."""
    member = context.room.members.get(fold(nick))
    if member is None or member in context.room.unregistered:
        context.reply(Numeric.NOSUCHNICK, nick)
        return None
    return member


def topic(context: CommandContext, params: Sequence[str]) -> None:
    """Show a channel's topic, or set it."""
    if len(params) == 1:
        channel = find(context, params[0])
        if channel is None:
            return
        if channel.is_secret and context.member not in channel.members:
            context.reply(Numeric.NOTONCHANNEL, channel.name)
        elif channel.topic:
            _show_topic(context, channel)
        else:
            context.reply(Numeric.NOTOPIC, channel.name)
        return
    channel = find_joined(context, params[0])
    if channel is None:
        return
    if "t" in channel.modes and not channel.is_op(context.member):
        context.reply(Numeric.CHANOPRIVSNEEDED, channel.name)
        return
    text = params[1][: context.room.settings.limits.topic_chars]
    channel.topic = Topic(text, context.member.prefix, context.now) if text else None
    message = context.recorded("TOPIC", channel.name, text)
    context.keep(channel, message)
    if channel.is_kept:
        context.effects.append(SaveChannel(channel))
    context.broadcast(channel, message, to_self=True)


def _show_topic(context: CommandContext, channel: Channel) -> None:
    assert channel.topic is not None
    set_at = str(int(channel.topic.at))
    context.reply(Numeric.TOPIC, channel.name, channel.topic.text)
    context.reply(Numeric.TOPICWHOTIME, channel.name, channel.topic.by, set_at)


def names(context: CommandContext, params: Sequence[str]) -> None:
    """Show who is in a channel."""
    asked = params[0] if params else "*"
    for name in targets(asked):
        channel = context.room.channels.get(fold(name))
        if channel is not None and (not channel.is_secret or context.member in channel.members):
            _show_names(context, channel)
    context.reply(Numeric.ENDOFNAMES, asked)


def _show_names(context: CommandContext, channel: Channel) -> None:
    symbol = "@" if channel.is_secret else "="
    words = _shown_names(context, channel)
    context.reply_words(Numeric.NAMREPLY, (symbol, channel.name), words)


def _shown_names(context: CommandContext, channel: Channel) -> Iterator[str]:
    viewer = context.member
    every, full = viewer.has(Cap.MULTI_PREFIX), viewer.has(Cap.USERHOST_IN_NAMES)
    sees_all = viewer in channel.members
    for member in channel.members:
        if sees_all or "i" not in member.modes:
            shown = member.prefix if full else member.nick
            yield channel.status(member, every=every) + shown


COMMANDS = {
    "JOIN": Command(join, "#channel[,#channel] [<key>[,<key>]]", params=1),
    "PART": Command(part, "#channel[,#channel] [:<reason>]", params=1),
    "KICK": Command(kick, "#channel <nick>[,<nick>] [:<reason>]", params=2),
    "INVITE": Command(invite, "<nick> #channel"),
    "TOPIC": Command(topic, "#channel [:<topic>]", params=1),
    "NAMES": Command(names, "#channel[,#channel]"),
}
