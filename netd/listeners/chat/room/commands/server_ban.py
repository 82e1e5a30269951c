"""KLINE and UNKLINE: operators bar clients from the server, for a time or for ever."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from netd.listeners.chat.room import presence
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands.base import Command, Steps
from netd.listeners.chat.room.member import Client, Member
from netd.listeners.chat.room.numeric import Numeric
from netd.listeners.chat.room.server_ban import (
    FOR_EVER,
    ClientFacts,
    ServerBan,
    ServerBans,
    SetServerBan,
    mask_of_address,
    normalize_mask,
    parse_duration,
)
from netd.protocols.irc import fold

_NO_REASON = "No reason given"


def kline(context: CommandContext, params: Sequence[str]) -> Steps:
    """Ban a mask, a network or the address of a member, and disconnect the clients that match."""
    duration_s = parse_duration(params[0]) if len(params) > 1 else None
    target, *rest = params if duration_s is None else params[1:]
    reason = "".join(rest[:1])[: context.room.settings.limits.kick_chars] or _NO_REASON
    mask = _mask(context, target)
    if mask is None:
        return
    until = context.now + duration_s if duration_s else FOR_EVER
    by = f"{context.sender.oper} ({context.sender.prefix})"
    ban = ServerBan(mask, by, context.now, until, reason)
    if not _may_add(context, ban):
        return
    context.room.server_bans.add(ban)
    context.store(SetServerBan.of(ban))
    context.log(f"operator {context.sender.oper} bans {mask} {_until(context, ban)}: {reason!r}")
    _notify(context, f"{mask} is banned {_until(context, ban)}")
    yield from _disconnect(context, ban)


def _mask(context: CommandContext, target: str) -> str | None:
    """The mask of KLINE's parameter in its stored form; None, with a notice, if it is not one."""
    member = context.room.find_member(target)
    try:
        return normalize_mask(mask_of_address(member.address) if member else target)
    except ValueError as error:
        _notify(context, f"{target} is not banned: {error}")
        return None


def _may_add(context: CommandContext, ban: ServerBan) -> bool:
    bans, limit = context.room.server_bans, context.room.settings.limits.server_bans
    alone = ServerBans()
    alone.add(ban)
    if alone.find(_facts(context.client), context.now):
        _notify(context, f"{ban.mask} is not banned: it matches you")
        return False
    if len(bans) >= limit and fold(ban.mask) not in bans.by_mask:
        _notify(context, f"{ban.mask} is not banned: there are {limit} bans already")
        return False
    return True


def _disconnect(context: CommandContext, ban: ServerBan) -> Steps:
    """Disconnect the clients that a new ban matches, except those of operators.

    A member leaves the room with its last client, also one that otherwise stays without clients.
    """
    alone, closed = ServerBans(), 0
    alone.add(ban)
    reason = f"Banned ({ban.reason})"
    for member in context.room.registered_members():
        context.work += (alone.work + 1) * (1 + len(member.clients))
        if not member.is_registered or member.oper:
            continue
        matching = [c for c in member.clients if alone.find(_facts(c), context.now)]
        closed += len(matching)
        if matching == list(member.clients) and alone.find(_facts_of(member), context.now):
            presence.disconnect_member(context, member, reason)
        else:
            for client in matching:
                presence.remove_client(context, client, reason)
                context.close(client, reason)
        yield
    if closed:
        _notify(context, f"disconnected clients: {closed}")


def unkline(context: CommandContext, params: Sequence[str]) -> None:
    """Remove a ban."""
    try:
        mask = normalize_mask(params[0])
    except ValueError:
        mask = params[0]
    ban = context.room.server_bans.remove(mask)
    if ban is None:
        _notify(context, f"{mask} is not banned")
        return
    context.store(SetServerBan.removing(ban))
    context.log(f"operator {context.sender.oper} removes the ban of {ban.mask}")
    _notify(context, f"{ban.mask} is no longer banned")


def show_bans(context: CommandContext) -> Steps:
    """Reply to `STATS k`: all bans."""
    if not context.sender.oper:
        context.reply(Numeric.NOPRIVILEGES)
        return
    for ban in context.room.server_bans:
        text = f"{ban.reason} (by {ban.by}, {_until(context, ban)})"
        letter = "K" if ban.until == FOR_EVER else "k"
        user, _, host = ban.mask.rpartition("@")
        context.reply(Numeric.STATSKLINE, letter, host, "*", user or "*", text)
        yield


def refuse_banned(context: CommandContext) -> bool:
    """Close the sender's connection if a ban matches it; return whether it does."""
    bans = context.room.server_bans
    context.work += bans.work
    ban = bans.find(_facts(context.client), context.now)
    if ban is not None:
        close_banned(context, ban)
    return ban is not None


def close_banned(context: CommandContext, ban: ServerBan) -> None:
    """Send the sender the reason of a ban, and close its connection."""
    context.room.refused_banned += not context.client.is_remote
    text = f"You are banned from this server: {ban.reason}"
    context.reply_command(Numeric.YOUREBANNEDCREEP.code, context.sender.shown_nick, text)
    presence.disconnect_client(context, f"Banned ({ban.reason})")


def _facts(client: Client) -> ClientFacts:
    return replace(_facts_of(client.member), address=client.address)


def _facts_of(member: Member) -> ClientFacts:
    return ClientFacts(member.address, member.host, member.user, member.account)


def _until(context: CommandContext, ban: ServerBan) -> str:
    if ban.until == FOR_EVER:
        return "for ever"
    minutes, seconds = divmod(int(ban.until - context.now), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    clock = f"{hours:02d}:{minutes:02d}:{seconds:02d}"
    return f"for {days}d {clock}" if days else f"for {clock}"


def _notify(context: CommandContext, text: str) -> None:
    context.reply_command("NOTICE", context.sender.shown_nick, text)


COMMANDS = {
    "KLINE": Command(
        kline, "[<duration>] <user@host>|<network>|<nick> [:<reason>]", params=1, for_opers=True
    ),
    "UNKLINE": Command(unkline, "<mask>", params=1, for_opers=True),
}
