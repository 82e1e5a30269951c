"""Coming and going: what others are told when a member arrives, renames itself, or leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from netd.protocols.irc import Message
from netd.protocols.room.channel import Channel
from netd.protocols.room.member import Member, Stage
from netd.protocols.room.numeric import Numeric

if TYPE_CHECKING:
    from netd.protocols.room.exchange import Exchange


@dataclass(frozen=True, slots=True)
class Departed:
    """Who had a nick before, for WHOWAS."""

    nick: str
    user: str
    host: str
    realname: str
    at: float


def depart(exchange: Exchange, member: Member, reason: str) -> None:
    """Take a member out of the room and tell those who saw it."""
    room = exchange.room
    if member.stage is Stage.GONE:
        return
    was_present = member.stage is Stage.PRESENT
    member.stage = Stage.GONE
    room.unregistered.discard(member)
    _unwatch(exchange, member)
    if room.members.get(member.folded) is member:
        del room.members[member.folded]
    if not was_present:
        return
    quit_ = Message("QUIT", (reason,), member.prefix, room.tags_of(member))
    exchange.send(member.peers(), quit_)
    for channel in list(member.channels.values()):
        leave_channel(exchange, channel, member)
    for folded in member.invites:
        if folded in room.channels:
            room.channels[folded].invited.discard(member)
    remember(exchange, member)
    announce_offline(exchange, member.nick, member.folded)


def put_out(exchange: Exchange, reason: str) -> None:
    """Take the sender out of the room, tell it why, and close its connection."""
    depart(exchange, exchange.member, reason)
    exchange.finish()
    exchange.close(exchange.member, reason)


def leave_channel(exchange: Exchange, channel: Channel, member: Member) -> None:
    """Take a member out of a channel, which goes if it was the last."""
    channel.remove(member)
    exchange.room.drop_if_empty(channel)


def remember(exchange: Exchange, member: Member) -> None:
    """Keep who had this nick, for WHOWAS."""
    exchange.room.departed.appendleft(
        Departed(member.nick, member.user, member.host, member.realname, exchange.now)
    )


def announce_online(exchange: Exchange, member: Member) -> None:
    """Tell those who MONITOR the nick that it is here."""
    _announce(exchange, Numeric.MONONLINE, member.folded, member.prefix)


def announce_offline(exchange: Exchange, nick: str, folded: str) -> None:
    """Tell those who MONITOR the nick that it is gone."""
    _announce(exchange, Numeric.MONOFFLINE, folded, nick)


def _announce(exchange: Exchange, numeric: Numeric, folded: str, text: str) -> None:
    server = exchange.room.settings.server_name
    for watcher in exchange.room.watchers.get(folded, ()):
        message = Message(numeric.code, (watcher.shown_nick, text), server)
        exchange.send((watcher,), message)


def _unwatch(exchange: Exchange, member: Member) -> None:
    for folded in member.monitoring:
        unwatch(exchange, member, folded)


def unwatch(exchange: Exchange, member: Member, folded: str) -> None:
    """Stop telling a member about a nick."""
    watchers = exchange.room.watchers
    watchers[folded].discard(member)
    if not watchers[folded]:
        del watchers[folded]
