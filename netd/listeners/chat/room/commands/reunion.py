"""A member joins another one of its account, as REGAIN does after a late login.

Its clients become clients of the other member, which comes into its channels. They see their nick
change, and get the channels of the other member; other members see a QUIT.
"""

from __future__ import annotations

from collections.abc import Sequence

from netd.listeners.chat.room import presence
from netd.listeners.chat.room.channel import Channel
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands import history, membership
from netd.listeners.chat.room.commands.base import Steps
from netd.listeners.chat.room.member import Client, Member
from netd.protocols.irc import Message, fold


def may_join(context: CommandContext, member: Member) -> bool:
    """Whether the sender can join a member: one of its account, which may have all the clients."""
    own = context.sender
    is_same = member.is_registered and fold(member.account) == fold(own.account)
    allowed = context.room.clients_allowed(own.account)
    return is_same and len(member.clients) + len(own.clients) <= allowed


def join(context: CommandContext, member: Member) -> Steps:
    """Let the sender and all its clients join a member."""
    own, room = context.sender, context.room
    clients, others = own.clients, member.clients
    known, new = list(own.channels), own.channels.keys() - member.channels.keys()
    left = [c for c in room.channels_of(own) if not _bring_along(context, own, member, c)]
    _show_change(context, own, member, left)
    for channel in room.channels_of(own):
        channel.forget_clients(clients)
    own.clients = ()
    presence.remove_member(context, own, f"Joins {member.nick}")
    for client in clients:
        room.add_client(client, member)
    for ghost in room.ghosts.values():
        if ghost.claimant is not None and ghost.claimant.member is own:
            ghost.claimant.member = member
    presence.come_back(context, member)
    room.attached += sum(not client.is_remote for client in clients)
    for client in clients:
        yield from _show_channels(context, client, known)
    for channel in room.channels_of(member):
        for client in others if channel.folded in new else ():
            yield from membership.show_to(context, client, channel)


def _bring_along(context: CommandContext, own: Member, member: Member, channel: Channel) -> bool:
    """Bring a member into a channel of its other self, with the status; False if it has too many.

    The person could read what was said there.
    """
    room = context.room
    event = CommandContext(room, Client.absent(member), context.now)
    if member not in channel.members:
        if len(member.channels) >= room.settings.limits.channels_per_member:
            return False
        channel.add(member)
        membership.announce_join(event, channel)
    since = [channel.access.since[one] for one in (own, member) if one in channel.access.since]
    if since:
        channel.access.since[member] = min(since)
    _give_status(event, member, channel, channel.members[own])
    context.take_over(event)
    context.save(channel)
    return True


def _give_status(event: CommandContext, member: Member, channel: Channel, letters: str) -> None:
    given = [letter for letter in letters if channel.set_status(member, letter, given=True)]
    if given:
        params = (channel.name, f"+{''.join(given)}", *[member.nick] * len(given))
        mode = Message("MODE", params, event.room.settings.server_name)
        event.relay(channel, mode, to_sender=False)


def _show_change(
    context: CommandContext, own: Member, member: Member, left: Sequence[Channel]
) -> None:
    """Show the sender's clients that the nick is free, and theirs from now on."""
    lines = [Message("PART", (channel.name,), own.prefix) for channel in left]
    if own.channels.keys() & member.channels.keys():
        lines.append(Message("QUIT", (f"Joined by {own.nick}",), member.prefix))
    lines.append(Message("NICK", (member.nick,), own.prefix))
    for line in lines:
        context.send_to([own], line)


def _show_channels(context: CommandContext, client: Client, known: Sequence[str]) -> Steps:
    """Show a client that has joined the sender all channels, and what was said in new ones."""
    is_own = client is context.client
    shown = context if is_own else CommandContext(context.room, client, context.now)
    for channel in context.room.channels_of(context.sender):
        for _ in membership.show_channel(shown, channel):
            if not is_own and client.is_registered and client not in context.room.ghosts:
                context.take_over(shown)
            yield
        if is_own and channel.folded not in known:
            yield from history.replay(context, channel)
