"""Notifications that a member arrives, leaves or changes, and the removal of a member."""

from __future__ import annotations

from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.channel import Channel
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.member import Member, MemberState
from netd.listeners.chat.room.numeric import Numeric
from netd.listeners.chat.room.state import WhowasEntry
from netd.protocols.irc import Message


def remove_member(context: CommandContext, member: Member, reason: str) -> None:
    """Remove a member from the room, and send a QUIT to its peers."""
    room = context.room
    if member.state is MemberState.GONE:
        return
    was_registered = member.is_registered
    _forget_ghosts(context, member)
    member.state = MemberState.GONE
    room.unregistered.pop(member, None)
    for folded in member.monitoring:
        stop_monitoring(context, member, folded)
    if room.members.get(member.folded) is member:
        del room.members[member.folded]
    if not was_registered:
        return
    quit_ = Message("QUIT", (reason,), member.prefix, member.message_tags())
    context.send_to(room.peers_of(member), quit_)
    for channel in room.channels_of(member):
        leave_channel(context, channel, member)
    for folded in member.invites:
        if folded in room.channels:
            room.channels[folded].invited.discard(member)
    remember_whowas(context, member)
    announce_offline(context, member.nick, member.folded)


def _forget_ghosts(context: CommandContext, member: Member) -> None:
    """Give up the place of a member, and the places that it was taking."""
    ghosts = context.room.ghosts
    ghosts.pop(member, None)
    for ghost in ghosts.values():
        if ghost.claimant is member:
            ghost.release()


def disconnect_sender(context: CommandContext, reason: str) -> None:
    """Remove the sender from the room, and close its connection."""
    remove_member(context, context.sender, reason)
    context.finish()
    context.close(context.sender, reason)


def leave_channel(context: CommandContext, channel: Channel, member: Member) -> None:
    """Remove a member from a channel, and the channel if it is now empty."""
    had_status = channel.members[member]
    channel.remove(member)
    context.room.drop_if_empty(channel)
    if had_status or not channel.members:
        context.save(channel)


def restore_status(context: CommandContext, channel: Channel) -> None:
    """Restore the status that the sender had in a channel before a restart."""
    sender, server = context.sender, context.room.settings.server_name
    claimed = channel.claim_status(sender)
    given = [letter for letter in claimed if channel.set_status(sender, letter, given=True)]
    if given:
        params = (channel.name, f"+{''.join(given)}", *[sender.nick] * len(given))
        context.broadcast(channel, Message("MODE", params, server))
        context.save(channel)


def remember_whowas(context: CommandContext, member: Member) -> None:
    """Keep the holder of a nick, for WHOWAS."""
    context.room.whowas.appendleft(
        WhowasEntry(member.nick, member.user, member.host, member.realname, context.now)
    )


def announce_online(context: CommandContext, member: Member) -> None:
    """Notify the members that MONITOR the nick: it is online."""
    _announce(context, Numeric.MONONLINE, member.folded, member.prefix)


def announce_offline(context: CommandContext, nick: str, folded: str) -> None:
    """Notify the members that MONITOR the nick: it is offline."""
    _announce(context, Numeric.MONOFFLINE, folded, nick)


def _announce(context: CommandContext, numeric: Numeric, folded: str, text: str) -> None:
    server = context.room.settings.server_name
    for watcher in context.room.watchers.get(folded, ()):
        message = Message(numeric.code, (watcher.shown_nick, text), server)
        context.send_to((watcher,), message)


def stop_monitoring(context: CommandContext, member: Member, folded: str) -> None:
    """Remove a member from the watchers of a nick."""
    watchers = context.room.watchers
    watchers[folded].discard(member)
    if not watchers[folded]:
        del watchers[folded]


def notify_peers(context: CommandContext, message: Message, cap: Cap) -> None:
    """Send a change of the sender to its peers with a capability.

    Members that MONITOR the sender get it too (extended-monitor).
    """
    peers = context.room.peers_of(context.sender)
    for watcher in context.room.watchers.get(context.sender.folded, ()):
        if watcher.has(Cap.EXTENDED_MONITOR) and watcher is not context.sender:
            peers[watcher] = None
    context.send_to([peer for peer in peers if peer.has(cap)], message)
