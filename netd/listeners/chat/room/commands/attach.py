"""A client joins the member that is logged in to its account already, at its welcome.

For the time in which it is shown the member's channels, a place is made for it that keeps the
lines of the member, as for a client that has lost its connection (`resume`).
"""

from __future__ import annotations

from typing import Final

from netd.listeners.chat.room import presence
from netd.listeners.chat.room.client_state import NO_REGISTRATION, ClientState
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.effect import KeepLines
from netd.listeners.chat.room.ghost import ALL_CAPS, Ghost
from netd.listeners.chat.room.member import Client, Member
from netd.protocols.irc import fold

_ARRIVAL_S: Final = 60.0
_TOO_MANY: Final = "too many clients of your account"


def find_member(context: CommandContext) -> Member | None:
    """The member of the client's account that the client joins; None if it has to be its own."""
    return member_of_account(context, context.sender.account)


def member_of_account(context: CommandContext, name: str) -> Member | None:
    """The member that another client of an account joins; at best the one with its nick."""
    room, account = context.room, fold(name)
    if not account:
        return None
    holder, members = room.members.get(context.sender.folded), room.registered_members()
    context.work += len(members) // 8
    own_members = [member for member in members if fold(member.account) == account]
    if room.clients_allowed(account) == 1:
        own_members = [member for member in own_members if not member.clients]
    return holder if holder in own_members else next(iter(own_members), None)


def join_member(context: CommandContext, member: Member) -> bool:
    """Let the client join a member at once; False if that has too many clients already."""
    client, room = context.client, context.room
    if len(member.clients) >= room.clients_allowed(member.account):
        room.refused_clients += not context.client.is_remote
        presence.disconnect_client(context, _TOO_MANY)
        return False
    room.give_up_nick(client.member)
    room.unregistered.pop(client, None)
    client.member.clients = ()
    client.state = ClientState.REGISTERED
    client.registration = NO_REGISTRATION
    room.add_client(client, member)
    room.attached += not client.is_remote
    presence.come_back(context, member)
    return True


def make_place(context: CommandContext, member: Member) -> Client | None:
    """Make a place for the client; None if the member has too many clients already."""
    room = context.room
    if len(member.clients) >= room.clients_allowed(member.account):
        _end_lost(context, member)
    if len(member.clients) >= room.clients_allowed(member.account):
        room.refused_clients += not context.client.is_remote
        presence.disconnect_client(context, _TOO_MANY)
        return None
    lost = Client(member.address, local_user=context.client.local_user)
    lost.state = ClientState.REGISTERED
    lost.set_caps(ALL_CAPS)
    ghost = Ghost(context.now + _ARRIVAL_S, "Connection closed", room.settings.limits.ghost_bytes)
    ghost.is_arrival = True
    room.ghosts[lost] = ghost
    room.add_client(lost, member)
    room.absent.pop(member, None)
    context.effects.append(KeepLines(lost, ghost))
    return lost


def _end_lost(context: CommandContext, member: Member) -> None:
    """End the oldest lost client of a member whose place no client is taking."""
    ghosts = context.room.ghosts
    for lost in member.clients:
        if lost in ghosts and ghosts[lost].claimant is None:
            presence.remove_client(context, lost, ghosts[lost].reason)
            context.close(lost, "replaced by another client")
            return


def may_log_in(context: CommandContext, name: str) -> bool:
    """Whether the client may log in to an account: not if other clients share its member.

    They have proved no right to the other account.
    """
    member = context.sender
    is_alone = member.clients in ((), (context.client,))
    return is_alone or fold(name) == fold(member.account)
