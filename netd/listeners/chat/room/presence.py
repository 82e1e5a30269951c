"""Coming and going: what others are told when a member arrives, renames itself, or leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from netd.listeners.chat.room.channel import Channel
from netd.listeners.chat.room.member import Member, Stage
from netd.listeners.chat.room.numeric import Numeric
from netd.protocols.irc import Message

if TYPE_CHECKING:
    from netd.listeners.chat.room.command_context import CommandContext


@dataclass(frozen=True, slots=True)
class WhowasEntry:
    """Who had a nick before, for WHOWAS."""

    nick: str
    user: str
    host: str
    realname: str
    at: float


def depart(context: CommandContext, member: Member, reason: str) -> None:
    """Take a member out of the room and tell those who saw it."""
    room = context.room
    if member.stage is Stage.GONE:
        return
    was_present = member.stage is Stage.PRESENT
    member.stage = Stage.GONE
    room.unregistered.discard(member)
    _unwatch(context, member)
    if room.members.get(member.folded) is member:
        del room.members[member.folded]
    if not was_present:
        return
    quit_ = Message("QUIT", (reason,), member.prefix, room.tags_of(member))
    context.send(member.peers(), quit_)
    for channel in list(member.channels.values()):
        leave_channel(context, channel, member)
    for folded in member.invites:
        if folded in room.channels:
            room.channels[folded].invited.discard(member)
    remember(context, member)
    announce_offline(context, member.nick, member.folded)


def put_out(context: CommandContext, reason: str) -> None:
    """Take the sender out of the room, tell it why, and close its connection."""
    depart(context, context.member, reason)
    context.finish()
    context.close(context.member, reason)


def leave_channel(context: CommandContext, channel: Channel, member: Member) -> None:
    """Take a member out of a channel, which goes if it was the last."""
    channel.remove(member)
    context.room.drop_if_empty(channel)


def remember(context: CommandContext, member: Member) -> None:
    """Keep who had this nick, for WHOWAS."""
    context.room.departed.appendleft(
        WhowasEntry(member.nick, member.user, member.host, member.realname, context.now)
    )


def announce_online(context: CommandContext, member: Member) -> None:
    """Tell those who MONITOR the nick that it is here."""
    _announce(context, Numeric.MONONLINE, member.folded, member.prefix)


def announce_offline(context: CommandContext, nick: str, folded: str) -> None:
    """Tell those who MONITOR the nick that it is gone."""
    _announce(context, Numeric.MONOFFLINE, folded, nick)


def _announce(context: CommandContext, numeric: Numeric, folded: str, text: str) -> None:
    server = context.room.settings.server_name
    for watcher in context.room.watchers.get(folded, ()):
        message = Message(numeric.code, (watcher.shown_nick, text), server)
        context.send((watcher,), message)


def _unwatch(context: CommandContext, member: Member) -> None:
    for folded in member.monitoring:
        unwatch(context, member, folded)


def unwatch(context: CommandContext, member: Member, folded: str) -> None:
    """Stop telling a member about a nick."""
    watchers = context.room.watchers
    watchers[folded].discard(member)
    if not watchers[folded]:
        del watchers[folded]
