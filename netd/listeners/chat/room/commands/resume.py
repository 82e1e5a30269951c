"""RESUME, and the return of a client to the place of one that has lost its connection.

The commands are those of the IRCv3 draft resume-0.5: `RESUME TOKEN <token>` from the server as soon
as the client has the capability, `RESUME <token>` from the client before a later registration ends,
and `RESUME SUCCESS <nick>` at its welcome. A client without the capability proves its identity by
its account, its local user or its certificate.
"""

from __future__ import annotations

from collections.abc import Sequence

from netd.listeners.chat.room import presence
from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.client_state import NO_REGISTRATION, NO_SASL, ClientState
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands import attach, elsewhere, history, membership, missed
from netd.listeners.chat.room.commands.base import Command, Phase, Steps
from netd.listeners.chat.room.effect import GiveUp, Send, TakePlace
from netd.listeners.chat.room.ghost import ALL_CAPS, Ghost
from netd.listeners.chat.room.member import Client, Member
from netd.listeners.chat.room.numeric import Numeric
from netd.listeners.chat.room.state import RoomState
from netd.protocols.irc import Message

_BYTES_PER_WORK = 32


def suspend(context: CommandContext, reason: str, unsent: bytes) -> bool:
    """Keep the place of the client, whose connection is lost; return whether it is kept.

    It is not if no other client could prove to be the same, or if no places are kept.
    """
    client, room = context.client, context.room
    client.is_replying = client.is_asking = False
    client.password_check = None
    client.sasl = NO_SASL
    if client in room.ghosts:
        return True
    timeout_s = room.settings.return_timeout_s
    if not timeout_s or not _can_return(client):
        return False
    ghost = Ghost(context.now + timeout_s, reason, room.settings.limits.ghost_bytes)
    ghost.keep_unsent(unsent)
    room.set_caps(client, ALL_CAPS)
    room.ghosts[client] = ghost
    return True


def _can_return(client: Client) -> bool:
    """Whether another client could prove that it is the same."""
    has_identity = client.member.account or client.local_user or client.fingerprint
    return client.is_registered and (bool(has_identity) or client.has(Cap.RESUME))


def show_token(context: CommandContext) -> None:
    """Send the client the token with which it can return."""
    if context.client.resume_token:
        context.reply_command("RESUME", "TOKEN", context.client.resume_token)


def resume(context: CommandContext, params: Sequence[str]) -> None:
    """Ask for the place of a client, by its token; the registration decides.

    In a room on several hosts, the token is looked up when the log was read.
    """
    context.client.register(resume_token=params[0])
    if context.room.entrants is not None:
        context.room.claimants.append(context.client)
    elif not look_up_token(context):
        refuse(context)


def look_up_token(context: CommandContext) -> bool:
    """Whether there is a place for the client's token, if it has sent one.

    A client can know that its connection is lost before the server does, which then gives it up.
    """
    token = context.client.registration.resume_token
    if not token or _client_of_token(context) is not None:
        return True
    connected = _connected_client(context, token)
    if connected is not None:
        context.effects.append(GiveUp(connected, elsewhere.REPLACED))
        return True
    return context.room.entrants is not None and elsewhere.claim(context, token)


def refuse_claim(context: CommandContext) -> None:
    """Refuse the token of the client, if the log has given the place to another one meanwhile."""
    given = context.client.registration
    if given.claims and given.resume_token:
        refuse(context)


def refuse(context: CommandContext) -> None:
    """Report to the client that there is no place for its token; it can register as a new one."""
    context.client.register(resume_token="", claims="")
    text = "No place is kept for this token"
    context.reply_command("FAIL", "RESUME", "INVALID_TOKEN", text)


def _connected_client(context: CommandContext, token: str) -> Client | None:
    """The client with a token whose connection is not known to be lost."""
    clients = context.room.clients()
    context.work += len(clients) // elsewhere.CLIENTS_PER_WORK
    informed = (client for client in clients if client.is_registered and client.has(Cap.RESUME))
    own = (client for client in informed if not client.is_remote)
    return next((client for client in own if client.resume_token == token), None)


def _client_of_token(context: CommandContext) -> Client | None:
    token = context.client.registration.resume_token
    if not token:
        return None
    kept = (client for client in context.room.ghosts if client.resume_token == token)
    return next(kept, None)


def is_place(room: RoomState, member: Member) -> bool:
    """Whether a member has a client that has lost its connection."""
    return any(client in room.ghosts for client in member.clients)


def find_place(context: CommandContext) -> Client | None:
    """The lost client whose place the client may take."""
    room, client = context.room, context.client
    lost = _client_of_token(context)
    if lost is not None:
        return lost if _is_free(context, lost, has_token=True) else None
    member = attach.find_member(context) or room.members.get(client.member.folded)
    free = [
        lost
        for lost in (member.clients if member is not None else ())
        if _is_free(context, lost, has_token=False)
    ]
    same_address = (lost for lost in free if lost.address == client.address)
    return next(same_address, free[0] if free else None)


def _is_free(context: CommandContext, lost: Client, *, has_token: bool) -> bool:
    """Whether the client may take a place, if it is one, and no other client is taking it."""
    ghost, client = context.room.ghosts.get(lost), context.client
    if ghost is None or ghost.claimant not in (None, client):
        return False
    return _is_same(client, lost, has_token=has_token)


def _is_same(client: Client, lost: Client, *, has_token: bool) -> bool:
    """Whether a client has proved that it is a lost one, and contradicts it in nothing."""
    account = client.member.account
    if not elsewhere.is_same(client, lost):
        return False
    if lost.local_user:
        return True
    has_certificate = bool(client.fingerprint) and client.fingerprint == lost.fingerprint
    return has_token or bool(account) or has_certificate


def claim(context: CommandContext, lost: Client) -> None:
    """Let the client take the place of a lost one, step by step: it now looks like its member."""
    client, ghost = context.client, context.room.ghosts[lost]
    ghost.claimant = client
    context.room.give_up_nick(client.member)
    client.member.clients = ()
    client.member = lost.member
    if client.has(Cap.RESUME) and not ghost.is_arrival:
        context.reply_command("RESUME", "SUCCESS", lost.member.nick)


def take_place(context: CommandContext, lost: Client) -> Steps:
    """Show the client its channels and the lines that it missed; then it is in the room."""
    ghost = context.room.ghosts[lost]
    yield from _show_place(context, ghost)
    if lost.state is ClientState.GONE:
        presence.disconnect_client(context, ghost.reason)
    else:
        _become(context, lost, ghost)


def _show_place(context: CommandContext, ghost: Ghost) -> Steps:
    yield from show_member(context, context.sender.absent_since if ghost.is_arrival else None)
    while (lines := ghost.next_missed(context.client)) is not None:
        context.effects.append(Send((context.client,), lines))
        context.work += 2 + len(lines) // _BYTES_PER_WORK
        yield


def show_member(context: CommandContext, absent_since: float | None) -> Steps:
    """Show the client the modes and channels of its member, and what was said there.

    That is what it missed since the member has no client, or the last lines if that is 0. With
    None, it gets the lines elsewhere.
    """
    member, server = context.sender, context.room.settings.server_name
    if member.modes:
        letters = "".join(sorted(member.modes))
        context.reply_message(Message("MODE", (member.nick, f"+{letters}"), server))
    if member.away and not member.is_auto_away:
        context.reply(Numeric.NOWAWAY)
    for folded in list(member.channels):
        channel = context.room.channels.get(folded)
        if channel is not None and member in channel.members:
            yield from membership.show_channel(context, channel)
            if absent_since == 0:
                yield from history.replay(context, channel)
    if absent_since:
        yield from missed.replay_missed(context, absent_since)


def _become(context: CommandContext, lost: Client, ghost: Ghost) -> None:
    """Put the client in the place of the lost one, which is not needed any more."""
    client, member, room = context.client, context.sender, context.room
    del room.ghosts[lost]
    room.unregistered.pop(client, None)
    lost.state, client.state = ClientState.GONE, ClientState.REGISTERED
    client.registration = NO_REGISTRATION
    if lost.key:  # the other hosts know these facts from the log, which has them once
        client.address, client.local_user = lost.address, lost.local_user
    client.key, lost.key = lost.key, ""
    client.resume_proof = lost.resume_proof  # until the log has the new one
    client.monitoring, lost.monitoring = lost.monitoring, {}
    for folded in client.monitoring:
        room.watchers[folded].discard(lost)
        room.watchers[folded].add(client)
    member.replace_client(lost, client)
    room.on_clients_changed(member)
    presence.come_back(context, member)
    if ghost.is_arrival:
        room.attached += 1
    else:
        room.returned += 1
    context.effects.append(TakePlace(client, lost, ghost))


COMMANDS = {"RESUME": Command(resume, "<token>", params=1, phase=Phase.REGISTERING)}
