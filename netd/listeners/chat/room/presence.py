"""Notifications that a member arrives, leaves or changes, and the removal of a member."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.channel import Channel
from netd.listeners.chat.room.client_state import ClientState
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.member import Client, Member
from netd.listeners.chat.room.numeric import Numeric
from netd.listeners.chat.room.state import RoomState, WhowasEntry
from netd.listeners.chat.room.stored_message import AddPresence
from netd.protocols.irc import Message, fold

ABSENT: Final = "Not connected"
"""The away message of a member without a client."""


def remove_client(context: CommandContext, client: Client, reason: str) -> None:
    """Remove a client; with the last one, its member leaves the room, unless it is always on."""
    if client.state is ClientState.GONE:
        return
    member = client.member
    is_last = member.clients == (client,)
    if is_last and not _stays(context, member):
        remove_member(context, member, reason)
        return
    _forget_client(context, client)
    member.remove_client(client)  # unless it is about to join the member
    context.room.on_clients_changed(member)
    if is_last:
        _keep_absent(context, member)


def _stays(context: CommandContext, member: Member) -> bool:
    """Whether a member stays without a client: one for each account."""
    room = context.room
    if not member.is_registered or not room.is_always_on(member):
        return False
    members, account = room.registered_members(), fold(member.account)
    context.work += len(members) // 8
    return not any(other is not member and fold(other.account) == account for other in members)


def _keep_absent(context: CommandContext, member: Member) -> None:
    room = context.room
    member.absent_since = member.absent_since or context.now
    room.absent[member] = None
    if not member.away:
        member.is_auto_away = True
        show_away(context, member, ABSENT)
    if len(room.absent) > room.settings.limits.absent_members:
        remove_member(context, next(iter(room.absent)), ABSENT)


def come_back(context: CommandContext, member: Member) -> None:
    """Note that a member has a client again."""
    context.room.absent.pop(member, None)
    member.absent_since = 0.0
    if member.is_auto_away:
        member.is_auto_away = False
        show_away(context, member, "")


def show_away(context: CommandContext, member: Member, text: str) -> None:
    """Mark a member as away, or as back, and notify its peers."""
    member.away = text
    params = (text,) if text else ()
    message = Message("AWAY", params, member.prefix, member.message_tags())
    notify_peers(context, message, Cap.AWAY_NOTIFY, member)


def _forget_client(context: CommandContext, client: Client) -> None:
    """Give up the place of a client, those that it was taking, and the nicks that it monitors."""
    room = context.room
    client.state = ClientState.GONE
    room.unregistered.pop(client, None)
    room.ghosts.pop(client, None)
    for ghost in room.ghosts.values():
        if ghost.claimant is client:
            ghost.release()
    for folded in client.monitoring:
        stop_monitoring(context.room, client, folded)


def remove_member(
    context: CommandContext, member: Member, reason: str, *, is_announced: bool = False
) -> Sequence[Client]:
    """Remove a member from the room; return its clients.

    Its peers get a QUIT, unless they were sent one.
    """
    room = context.room
    room.absent.pop(member, None)
    clients = _take_clients(context, member)
    if room.members.get(member.folded) is member:
        del room.members[member.folded]
    if not member.is_registered:
        return clients
    member.is_registered = False
    if not is_announced:
        quit_ = Message("QUIT", (reason,), member.prefix, member.message_tags())
        context.send_to_clients(room.clients_near(member), quit_)
    for channel in room.channels_of(member):
        leave_channel(context, channel, member)
    for folded in member.invites:
        if folded in room.channels:
            room.channels[folded].invited.discard(member)
    remember_whowas(context, member)
    announce_offline(context, member.nick, member.folded)
    return clients


def _take_clients(context: CommandContext, member: Member) -> Sequence[Client]:
    """Remove the clients of a member."""
    clients, member.clients = member.clients, ()
    for channel in context.room.channels_of(member):
        channel.forget_clients(clients)
    for client in clients:
        _forget_client(context, client)
    return clients


def disconnect_member(context: CommandContext, member: Member, reason: str) -> None:
    """Remove a member from the room, and close the connections of all its clients."""
    clients = remove_member(context, member, reason)
    if context.client in clients:
        context.finish()
    for client in clients:
        context.close(client, reason)


def disconnect_client(context: CommandContext, reason: str) -> None:
    """Remove the client, with its member if it is the last one, and close its connection."""
    remove_client(context, context.client, reason)
    context.finish()
    context.close(context.client, reason)


def leave_channel(context: CommandContext, channel: Channel, member: Member) -> None:
    """Remove a member from a channel, and the channel if it is now empty."""
    had_status = channel.members[member]
    remember_stay(context, channel, member)
    channel.remove(member)
    context.room.drop_if_empty(channel)
    if had_status or member.account or not channel.members:
        context.save(channel)


def remember_stay(context: CommandContext, channel: Channel, member: Member) -> None:
    """Store that the account of a member could read a channel until now."""
    room, since = context.room, channel.access.since.get(member)
    if member.account and since is not None and room.settings.stores_messages:
        account = fold(member.account)
        context.store(AddPresence(channel.folded, account, since, room.ids.position))


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
    """Notify the clients that MONITOR the nick: it is online."""
    _announce(context, Numeric.MONONLINE, member.folded, member.prefix)


def announce_offline(context: CommandContext, nick: str, folded: str) -> None:
    """Notify the clients that MONITOR the nick: it is offline."""
    _announce(context, Numeric.MONOFFLINE, folded, nick)


def _announce(context: CommandContext, numeric: Numeric, folded: str, text: str) -> None:
    server = context.room.settings.server_name
    for watcher in context.room.watchers.get(folded, ()):
        message = Message(numeric.code, (watcher.member.shown_nick, text), server)
        context.send_to_clients((watcher,), message)


def show_mode(context: CommandContext, letter: str) -> None:
    """Show the sender a mode that the server has set, in all its clients."""
    server = context.room.settings.server_name
    message = Message("MODE", (context.sender.nick, f"+{letter}"), server)
    context.reply_message(message)
    context.send_to_others(message)


def stop_monitoring(room: RoomState, client: Client, folded: str) -> None:
    """Remove a client from the watchers of a nick, if it is one of them."""
    watching = room.watchers.get(folded, set())
    watching.discard(client)
    if not watching:
        room.watchers.pop(folded, None)


def notify_peers(
    context: CommandContext, message: Message, cap: Cap, member: Member | None = None
) -> None:
    """Send a change of a member, the sender if none is given, to clients that have a capability.

    They are those of its peers, and those that MONITOR it (extended-monitor).
    """
    sender, room = member or context.sender, context.room
    clients = room.clients_near(sender)
    for watcher in room.watchers.get(sender.folded, ()):
        if watcher.has(Cap.EXTENDED_MONITOR) and watcher.member is not sender:
            clients[watcher] = None
    context.send_to_clients(clients, message, cap=cap)
