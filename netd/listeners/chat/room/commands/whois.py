"""Asking about somebody: WHOIS, WHOWAS, USERHOST, ISON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands.base import Command
from netd.listeners.chat.room.commands.server import date, is_other
from netd.listeners.chat.room.member import Member
from netd.listeners.chat.room.numeric import Numeric
from netd.protocols.irc import fold

_MAX_USERHOST = 5


def whois(context: CommandContext, params: Sequence[str]) -> None:
    """Everything about one member."""
    if not params or not params[-1]:
        context.reply(Numeric.NONICKNAMEGIVEN)
        return
    if len(params) > 1 and is_other(context, params[:1]):
        return
    nick = params[min(len(params), 2) - 1].partition(",")[0]
    member = context.room.members.get(fold(nick))
    if member is None or member in context.room.unregistered:
        context.reply(Numeric.NOSUCHNICK, nick)
    else:
        _describe(context, member)
    context.reply(Numeric.ENDOFWHOIS, nick)


def _describe(context: CommandContext, member: Member) -> None:
    settings, nick, viewer = context.room.settings, member.nick, context.member
    context.reply(Numeric.WHOISUSER, nick, member.user, member.host, "*", member.realname)
    context.reply_words(Numeric.WHOISCHANNELS, (nick,), _seats(context, member))
    context.reply(Numeric.WHOISSERVER, nick, settings.server_name, settings.network)
    if viewer is member or viewer.oper:
        context.reply(Numeric.WHOISACTUALLY, nick, member.address)
        if member.fingerprint():
            text = f"has client certificate fingerprint {member.fingerprint()}"
            context.reply(Numeric.WHOISCERTFP, nick, text)
    for numeric, *params in _facts(member):
        context.reply(numeric, nick, *params)
    idle, since = int(context.now - member.idle_since), int(member.signed_on)
    context.reply(Numeric.WHOISIDLE, nick, str(idle), str(since))


def _facts(member: Member) -> Iterator[tuple[Numeric, *tuple[str, ...]]]:
    if member.away:
        yield Numeric.AWAY, member.away
    if member.oper:
        yield (Numeric.WHOISOPERATOR,)
    if member.account:
        yield Numeric.WHOISACCOUNT, member.account
    if member.local_user:
        yield Numeric.WHOISSPECIAL, f"is verified as local user {member.local_user}"
    if "B" in member.modes:
        yield (Numeric.WHOISBOT,)
    if member.is_secure:
        yield (Numeric.WHOISSECURE,)


def _seats(context: CommandContext, member: Member) -> Iterator[str]:
    viewer = context.member
    every = viewer.has(Cap.MULTI_PREFIX)
    for channel in member.channels.values():
        is_hidden = channel.is_secret or "i" in member.modes
        if viewer in channel.members or viewer is member or viewer.oper or not is_hidden:
            yield channel.status(member, every=every) + channel.name


def whowas(context: CommandContext, params: Sequence[str]) -> None:
    """Who had a nick before, the latest first."""
    if not params or not params[0]:
        context.reply(Numeric.NONICKNAMEGIVEN)
        return
    nick = params[0]
    found = [each for each in context.room.departed if fold(each.nick) == fold(nick)]
    count = int(params[1]) if len(params) > 1 and params[1].isdecimal() else 0
    for each in found[: count or None]:
        context.reply(Numeric.WHOWASUSER, each.nick, each.user, each.host, "*", each.realname)
        server = context.room.settings.server_name
        context.reply(Numeric.WHOISSERVER, each.nick, server, date(each.at))
    if not found:
        context.reply(Numeric.WASNOSUCHNICK, nick)
    context.reply(Numeric.ENDOFWHOWAS, nick)


def userhost(context: CommandContext, params: Sequence[str]) -> None:
    """User and host of up to five nicks."""
    found = [_present(context, each) for each in params[:_MAX_USERHOST]]
    words = [
        f"{each.nick}{'*' if each.oper else ''}={'-' if each.away else '+'}{each.user}@{each.host}"
        for each in found
        if each
    ]
    context.reply(Numeric.USERHOST, " ".join(words))


def ison(context: CommandContext, params: Sequence[str]) -> None:
    """Which of these nicks are here."""
    asked = [nick for param in params for nick in param.split()]
    found = [_present(context, each) for each in asked]
    present = [each.nick for each in found if each]
    context.reply_words(Numeric.ISON, (), present or [""])


def _present(context: CommandContext, nick: str) -> Member | None:
    member = context.room.members.get(fold(nick))
    return None if member is None or member in context.room.unregistered else member


COMMANDS = {
    "WHOIS": Command(whois, "[<server>] <nick>"),
    "WHOWAS": Command(whowas, "<nick> [<count>]"),
    "USERHOST": Command(userhost, "<nick> [<nick> ...]", params=1),
    "ISON": Command(ison, "<nick> [<nick> ...]", params=1),
}
