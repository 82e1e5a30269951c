"""Information about single members: WHOIS, WHOWAS, USERHOST, ISON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands.base import Command, Steps
from netd.listeners.chat.room.commands.lookup import find_member
from netd.listeners.chat.room.commands.server import format_date, is_for_other_server
from netd.listeners.chat.room.member import Member
from netd.listeners.chat.room.numeric import Numeric
from netd.protocols.irc import fold

_MAX_USERHOST = 5


def whois(context: CommandContext, params: Sequence[str]) -> Steps:
    """Show all public information about one member."""
    if not params or not params[-1]:
        context.reply(Numeric.NONICKNAMEGIVEN)
        return
    if len(params) > 1 and is_for_other_server(context, params[:1]):
        return
    nick = params[min(len(params), 2) - 1].partition(",")[0]
    member = find_member(context, nick)
    if member is not None:
        yield from _describe(context, member)
    context.reply(Numeric.ENDOFWHOIS, nick)


def _describe(context: CommandContext, member: Member) -> Steps:
    settings, nick, viewer = context.room.settings, member.nick, context.sender
    context.reply(Numeric.WHOISUSER, nick, member.user, member.host, "*", member.realname)
    channels = list(_visible_channels(context, member))
    yield from context.reply_words(Numeric.WHOISCHANNELS, (nick,), channels)
    context.reply(Numeric.WHOISSERVER, nick, settings.server_name, settings.network)
    if viewer is member or viewer.oper:
        real = f"{member.user}@{member.address}"
        context.reply(Numeric.WHOISACTUALLY, nick, real, member.address)
        for fingerprint in dict.fromkeys(client.fingerprint for client in member.clients):
            if fingerprint:
                text = f"has client certificate fingerprint {fingerprint}"
                context.reply(Numeric.WHOISCERTFP, nick, text)
    for numeric, *params in _attributes(member):
        context.reply(numeric, nick, *params)
    if member.clients and all(client in context.room.ghosts for client in member.clients):
        context.reply(Numeric.WHOISSPECIAL, nick, "has lost the connection and may return soon")
    idle, since = int(context.now - member.idle_since), int(member.signed_on)
    context.reply(Numeric.WHOISIDLE, nick, str(idle), str(since))


def _attributes(member: Member) -> Iterator[tuple[Numeric, *tuple[str, ...]]]:
    if member.away:
        yield Numeric.AWAY, member.away
    if member.oper:
        yield (Numeric.WHOISOPERATOR,)
    if member.account:
        yield Numeric.WHOISACCOUNT, member.account
    if member.local_user:
        yield Numeric.WHOISSPECIAL, f"is verified as local user {member.local_user}"
    if member.is_bot:
        yield (Numeric.WHOISBOT,)
    if member.clients and all(client.is_secure for client in member.clients):
        yield (Numeric.WHOISSECURE,)


def _visible_channels(context: CommandContext, member: Member) -> Iterator[str]:
    viewer = context.sender
    every = context.client.has(Cap.MULTI_PREFIX)
    for channel in context.room.channels_of(member):
        if viewer is member or viewer.oper or channel.shows_to(viewer, member):
            yield channel.status_prefix(member, every=every) + channel.name


def whowas(context: CommandContext, params: Sequence[str]) -> Steps:
    """Show the earlier holders of a nick, latest first."""
    if not params or not params[0]:
        context.reply(Numeric.NONICKNAMEGIVEN)
        return
    nick = params[0]
    folded = fold(nick)
    found = [entry for entry in context.room.whowas if fold(entry.nick) == folded]
    context.work += len(context.room.whowas) // 4
    count = int(params[1]) if len(params) > 1 and params[1].isdecimal() else 0
    server = context.room.settings.server_name
    for entry in found[: count or None]:
        context.reply(Numeric.WHOWASUSER, entry.nick, entry.user, entry.host, "*", entry.realname)
        context.reply(Numeric.WHOISSERVER, entry.nick, server, format_date(entry.at))
        yield
    if not found:
        context.reply(Numeric.WASNOSUCHNICK, nick)
    context.reply(Numeric.ENDOFWHOWAS, nick)


def userhost(context: CommandContext, params: Sequence[str]) -> None:
    """Show the user and host of up to five nicks."""
    found = map(context.room.find_member, params[:_MAX_USERHOST])
    words = [_userhost(member) for member in found if member]
    context.reply(Numeric.USERHOST, " ".join(words))


def _userhost(member: Member) -> str:
    oper, away = "*" if member.oper else "", "-" if member.away else "+"
    return f"{member.nick}{oper}={away}{member.user}@{member.host}"


def ison(context: CommandContext, params: Sequence[str]) -> Steps:
    """Show which nicks are online."""
    nicks = [nick for param in params for nick in param.split()]
    online = [member.nick for member in map(context.room.find_member, nicks) if member]
    return context.reply_words(Numeric.ISON, (), online or [""])


COMMANDS = {
    "WHOIS": Command(whois, "[<server>] <nick>"),
    "WHOWAS": Command(whowas, "<nick> [<count>]"),
    "USERHOST": Command(userhost, "<nick> [<nick> ...]", params=1),
    "ISON": Command(ison, "<nick> [<nick> ...]", params=1),
}
