"""Channels: JOIN, PART, KICK, INVITE, TOPIC, NAMES."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netd.protocols.irc import fold, is_channel
from netd.protocols.room import presence
from netd.protocols.room.capability import Cap
from netd.protocols.room.channel import Channel, Topic
from netd.protocols.room.command import marker
from netd.protocols.room.command.base import Command
from netd.protocols.room.command.history import replay
from netd.protocols.room.effect import Preserve
from netd.protocols.room.exchange import Exchange
from netd.protocols.room.member import Member
from netd.protocols.room.numeric import Numeric

_MAX_TARGETS = 20


def targets(param: str) -> list[str]:
    """The names of a comma-separated parameter, each once."""
    return list(dict.fromkeys(each for each in param.split(",") if each))[:_MAX_TARGETS]


def find(exchange: Exchange, name: str) -> Channel | None:
    """The channel of that name; says so if there is none."""
    channel = exchange.room.channels.get(fold(name))
    if channel is None:
        exchange.reply(Numeric.NOSUCHCHANNEL, name)
    return channel


def find_joined(exchange: Exchange, name: str) -> Channel | None:
    """The channel of that name; says so if there is none or the sender is not in it."""
    channel = find(exchange, name)
    if channel is not None and exchange.member not in channel.members:
        exchange.reply(Numeric.NOTONCHANNEL, channel.name)
        return None
    return channel


def join(exchange: Exchange, params: Sequence[str]) -> None:
    """Enter channels; `0` leaves them all."""
    if params[0] == "0":
        for channel in list(exchange.member.channels.values()):
            _part(exchange, channel, "")
        return
    keys = params[1].split(",") if len(params) > 1 else []
    for index, name in enumerate(targets(params[0])):
        enter(exchange, name, keys[index] if index < len(keys) else "")


def enter(exchange: Exchange, name: str, key: str) -> None:
    """Let the sender into a channel if its modes allow it."""
    room, member = exchange.room, exchange.member
    if not is_channel(name, room.settings.limits.channel_chars):
        exchange.reply(Numeric.NOSUCHCHANNEL, name)
        return
    channel = room.channels.get(fold(name))
    if channel is not None and member in channel.members:
        return
    refusal = _refusal(exchange, channel, key)
    if refusal is not None:
        exchange.reply(refusal, channel.name if channel else name)
        return
    is_new = channel is None
    channel = channel or room.open_channel(name, exchange.now)
    channel.add(member, "o" if is_new else "")
    _announce_join(exchange, channel)
    if member.has(Cap.READ_MARKER):
        marker.show(exchange, channel.name)
    if channel.topic:
        _show_topic(exchange, channel)
    _show_names(exchange, channel)
    exchange.reply(Numeric.ENDOFNAMES, channel.name)
    replay(exchange, channel)


def _refusal(exchange: Exchange, channel: Channel | None, key: str) -> Numeric | None:
    room, member, limits = exchange.room, exchange.member, exchange.room.settings.limits
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


def _announce_join(exchange: Exchange, channel: Channel) -> None:
    member = exchange.member
    plain = exchange.from_member("JOIN", channel.name)
    extended = exchange.from_member("JOIN", channel.name, member.account or "*", member.realname)
    bit = int(Cap.EXTENDED_JOIN)
    exchange.send([each for each in channel.members if each.caps & bit], extended)
    exchange.send([each for each in channel.members if not each.caps & bit], plain)
    if member.away:
        away = exchange.from_member("AWAY", member.away)
        noticing = [each for each in channel.members if each.has(Cap.AWAY_NOTIFY)]
        exchange.send(noticing, away, member)


def part(exchange: Exchange, params: Sequence[str]) -> None:
    """Leave channels."""
    for name in targets(params[0]):
        channel = find_joined(exchange, name)
        if channel is not None:
            _part(exchange, channel, params[1] if len(params) > 1 else "")


def _part(exchange: Exchange, channel: Channel, reason: str) -> None:
    said = (channel.name, reason) if reason else (channel.name,)
    exchange.broadcast(channel, exchange.from_member("PART", *said), to_self=True)
    presence.leave_channel(exchange, channel, exchange.member)


def kick(exchange: Exchange, params: Sequence[str]) -> None:
    """Put members out of a channel, or each one out of the channel that stands for it."""
    names_, nicks = params[0].split(",")[:_MAX_TARGETS], params[1].split(",")[:_MAX_TARGETS]
    if len(names_) == 1:
        names_ *= len(nicks)
    limit = exchange.room.settings.limits.kick_chars
    said = "".join(params[2:3])[:limit] or exchange.member.nick
    for name, nick in zip(names_, nicks, strict=False):
        channel = find_ruled(exchange, name)
        if channel is None:
            return
        _kick(exchange, channel, nick, said)


def _kick(exchange: Exchange, channel: Channel, nick: str, reason: str) -> None:
    victim = exchange.room.members.get(fold(nick))
    if victim is None:
        exchange.reply(Numeric.NOSUCHNICK, nick)
    elif victim not in channel.members:
        exchange.reply(Numeric.USERNOTINCHANNEL, nick, channel.name)
    else:
        message = exchange.from_member("KICK", channel.name, victim.nick, reason)
        exchange.broadcast(channel, message, to_self=True)
        presence.leave_channel(exchange, channel, victim)


def find_ruled(exchange: Exchange, name: str) -> Channel | None:
    """The channel of that name; says so if the sender does not rule it."""
    channel = exchange.room.channels.get(fold(name))
    if channel is not None and exchange.member.oper:
        return channel
    channel = find_joined(exchange, name)
    if channel is not None and not channel.is_op(exchange.member):
        exchange.reply(Numeric.CHANOPRIVSNEEDED, channel.name)
        return None
    return channel


def invite(exchange: Exchange, params: Sequence[str]) -> None:
    """Ask somebody into a channel; without parameters, show who asked the sender where."""
    if len(params) < 2:  # noqa: PLR2004 (a nick and a channel)
        _own_invites(exchange, params)
        return
    guest = find_present(exchange, params[0])
    channel = find_joined(exchange, params[1]) if guest is not None else None
    if guest is None or channel is None:
        return
    if guest in channel.members:
        exchange.reply(Numeric.USERONCHANNEL, guest.nick, channel.name)
    elif "i" in channel.modes and not channel.is_op(exchange.member):
        exchange.reply(Numeric.CHANOPRIVSNEEDED, channel.name)
    else:
        _invite(exchange, channel, guest)


def _invite(exchange: Exchange, channel: Channel, guest: Member) -> None:
    if channel.is_op(exchange.member):  # who does not rule here lets nobody past +b, +k or +l
        channel.invited.add(guest)
        guest.invites.add(channel.folded)
    exchange.reply(Numeric.INVITING, guest.nick, channel.name)
    if guest.away:
        exchange.reply(Numeric.AWAY, guest.nick, guest.away)
    message = exchange.from_member("INVITE", guest.nick, channel.name)
    exchange.send((guest,), message)
    noticing = [
        each for each in channel.members if each.has(Cap.INVITE_NOTIFY) and channel.is_op(each)
    ]
    exchange.send(noticing, message, exchange.member)


def _own_invites(exchange: Exchange, params: Sequence[str]) -> None:
    if params:
        exchange.reply(Numeric.NEEDMOREPARAMS, "INVITE")
        return
    for folded in sorted(exchange.member.invites):
        exchange.reply(Numeric.INVITELIST_OWN, exchange.room.channels[folded].name)
    exchange.reply(Numeric.ENDOFINVITELIST_OWN)


def find_present(exchange: Exchange, nick: str) -> Member | None:
    """The member of that nick, registered; says so if there is none."""
    member = exchange.room.members.get(fold(nick))
    if member is None or member in exchange.room.unregistered:
        exchange.reply(Numeric.NOSUCHNICK, nick)
        return None
    return member


def topic(exchange: Exchange, params: Sequence[str]) -> None:
    """Show a channel's topic, or set it."""
    if len(params) == 1:
        channel = find(exchange, params[0])
        if channel is None:
            return
        if channel.is_secret and exchange.member not in channel.members:
            exchange.reply(Numeric.NOTONCHANNEL, channel.name)
        elif channel.topic:
            _show_topic(exchange, channel)
        else:
            exchange.reply(Numeric.NOTOPIC, channel.name)
        return
    channel = find_joined(exchange, params[0])
    if channel is None:
        return
    if "t" in channel.modes and not channel.is_op(exchange.member):
        exchange.reply(Numeric.CHANOPRIVSNEEDED, channel.name)
        return
    text = params[1][: exchange.room.settings.limits.topic_chars]
    channel.topic = Topic(text, exchange.member.prefix, exchange.now) if text else None
    message = exchange.recorded("TOPIC", channel.name, text)
    exchange.keep(channel, message)
    if channel.is_kept:
        exchange.effects.append(Preserve(channel))
    exchange.broadcast(channel, message, to_self=True)


def _show_topic(exchange: Exchange, channel: Channel) -> None:
    assert channel.topic is not None
    set_at = str(int(channel.topic.at))
    exchange.reply(Numeric.TOPIC, channel.name, channel.topic.text)
    exchange.reply(Numeric.TOPICWHOTIME, channel.name, channel.topic.by, set_at)


def names(exchange: Exchange, params: Sequence[str]) -> None:
    """Show who is in a channel."""
    asked = params[0] if params else "*"
    for name in targets(asked):
        channel = exchange.room.channels.get(fold(name))
        if channel is not None and (not channel.is_secret or exchange.member in channel.members):
            _show_names(exchange, channel)
    exchange.reply(Numeric.ENDOFNAMES, asked)


def _show_names(exchange: Exchange, channel: Channel) -> None:
    symbol = "@" if channel.is_secret else "="
    words = _shown_names(exchange, channel)
    exchange.reply_words(Numeric.NAMREPLY, (symbol, channel.name), words)


def _shown_names(exchange: Exchange, channel: Channel) -> Iterator[str]:
    viewer = exchange.member
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
