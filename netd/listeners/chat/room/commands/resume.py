"""RESUME, and the return of a client to the place of a member that has lost its connection.

The commands are those of the IRCv3 draft resume-0.5: `RESUME TOKEN <token>` from the server as soon
as the client has the capability, `RESUME <token>` from the client before a later registration ends,
and `RESUME SUCCESS <nick>` at its welcome. A client without the capability proves its identity by
its account, its local user or its certificate.
"""

from __future__ import annotations

from collections.abc import Sequence

from netd.listeners.chat.room import presence
from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands import membership
from netd.listeners.chat.room.commands.base import Command, Phase, Steps
from netd.listeners.chat.room.effect import Send, TakePlace
from netd.listeners.chat.room.ghost import ALL_CAPS, Ghost
from netd.listeners.chat.room.member import Member, MemberState, SaslExchange
from netd.listeners.chat.room.numeric import Numeric
from netd.protocols.irc import Message, fold

_BYTES_PER_WORK = 32


def suspend(context: CommandContext, reason: str, unsent: bytes) -> bool:
    """Keep the place of the sender, whose connection is lost; return whether it is kept.

    It is not if no client could prove to be the same, or if no places are kept.
    """
    member, room = context.sender, context.room
    member.is_replying = False
    member.password_check = None
    member.sasl = SaslExchange()
    if member in room.ghosts:
        return True
    timeout_s = room.settings.return_timeout_s
    if not timeout_s or not _can_return(member):
        return False
    ghost = Ghost(context.now + timeout_s, reason, room.settings.limits.ghost_bytes)
    ghost.keep_unsent(unsent)
    room.set_caps(member, ALL_CAPS)
    room.ghosts[member] = ghost
    return True


def _can_return(member: Member) -> bool:
    """Whether a client could prove that it is this member."""
    has_identity = member.account or member.local_user or member.fingerprint
    return member.is_registered and (bool(has_identity) or member.has(Cap.RESUME))


def show_token(context: CommandContext) -> None:
    """Send the sender the token with which it can return."""
    if context.sender.resume_token:
        context.reply_command("RESUME", "TOKEN", context.sender.resume_token)


def resume(context: CommandContext, params: Sequence[str]) -> None:
    """Ask for the place of a member, by its token; the registration decides."""
    context.sender.registration.resume_token = params[0]
    if _member_of_token(context) is None:
        context.sender.registration.resume_token = ""
        context.fail("INVALID_TOKEN", "No place is kept for this token")


def _member_of_token(context: CommandContext) -> Member | None:
    token = context.sender.registration.resume_token
    if not token:
        return None
    kept = (member for member in context.room.ghosts if member.resume_token == token)
    return next(kept, None)


def find_place(context: CommandContext) -> Member | None:
    """The member without a connection whose place the sender may take."""
    room, sender = context.room, context.sender
    member = _member_of_token(context)
    has_token = member is not None
    if member is None:
        member = room.members.get(sender.folded)
    if member is None or member not in room.ghosts:
        return None
    is_free = room.ghosts[member].claimant in (None, sender)
    return member if is_free and _is_same(sender, member, has_token=has_token) else None


def _is_same(client: Member, member: Member, *, has_token: bool) -> bool:
    """Whether a client has proved that it is a member, and contradicts it in nothing."""
    if client.account and fold(client.account) != fold(member.account):
        return False
    if member.local_user:  # it is shown to others as verified
        return client.local_user == member.local_user
    has_certificate = bool(client.fingerprint) and client.fingerprint == member.fingerprint
    return has_token or bool(client.account) or has_certificate


def claim(context: CommandContext, member: Member) -> None:
    """Let the sender take the place of a member, step by step: it now looks like it."""
    sender = context.sender
    context.room.ghosts[member].claimant = sender
    context.room.give_up_nick(sender)
    sender.user, sender.realname, sender.host = member.user, member.realname, member.host
    sender.account, sender.modes, sender.away = member.account, member.modes, member.away
    sender.read_markers = member.read_markers
    sender.set_nick(member.nick)
    if sender.has(Cap.RESUME):
        context.reply_command("RESUME", "SUCCESS", member.nick)


def take_place(context: CommandContext, member: Member) -> Steps:
    """Show the sender its channels and the lines that it missed; then it is the member."""
    ghost = context.room.ghosts[member]
    for _ in _show_place(context, member, ghost):
        if member.state is MemberState.GONE:
            presence.disconnect_sender(context, ghost.reason)
            return
        yield
    _become(context, member, ghost)


def _show_place(context: CommandContext, member: Member, ghost: Ghost) -> Steps:
    sender, server = context.sender, context.room.settings.server_name
    if member.modes:
        letters = "".join(sorted(member.modes))
        context.reply_message(Message("MODE", (member.nick, f"+{letters}"), server))
    if member.away:
        context.reply(Numeric.NOWAWAY)
    for folded in list(member.channels):
        channel = context.room.channels.get(folded)
        if channel is not None and member in channel.members:
            yield from membership.show_channel(context, channel)
    while (lines := ghost.next_missed(sender)) is not None:
        context.effects.append(Send((sender,), lines))
        context.work += 2 + len(lines) // _BYTES_PER_WORK
        yield


def _become(context: CommandContext, member: Member, ghost: Ghost) -> None:
    """Give the member the connection of the sender, which is not needed any more."""
    client, room = context.sender, context.room
    del room.ghosts[member]
    room.unregistered.pop(client, None)
    client.state = MemberState.GONE
    member.address, member.is_secure = client.address, client.is_secure
    member.local_user, member.fingerprint = client.local_user, client.fingerprint
    member.cap_version, member.resume_token = client.cap_version, client.resume_token
    member.registration, member.failed_logins = client.registration, client.failed_logins
    member.registration.password = ""
    room.set_caps(member, client.caps)
    room.returned += 1
    context.effects.append(TakePlace(client, member, ghost))
    context.sender = member


COMMANDS = {"RESUME": Command(resume, "<token>", params=1, phase=Phase.REGISTERING)}
