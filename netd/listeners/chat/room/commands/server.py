"""Information about the server: MOTD, LUSERS, VERSION, ISUPPORT, TIME, ADMIN, INFO, STATS."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands import server_ban
from netd.listeners.chat.room.commands.base import Command, Phase, Steps
from netd.listeners.chat.room.isupport import isupport_lines
from netd.listeners.chat.room.mask import matches
from netd.listeners.chat.room.numeric import Numeric
from netd.protocols.irc import Message


def format_date(at: float) -> str:
    """Seconds since the epoch as text for people."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def is_for_other_server(context: CommandContext, params: Sequence[str]) -> bool:
    """Whether the first parameter names another server, which gets the reply 402.

    A member's nick means the server of that member, which is always this one.
    """
    name = params[0] if params else ""
    room = context.room
    if not name or matches(name, room.settings.server_name) or room.find_member(name):
        return False
    context.reply(Numeric.NOSUCHSERVER, name)
    return True


def motd(context: CommandContext, params: Sequence[str]) -> None:
    """Show the message of the day."""
    if is_for_other_server(context, params):
        return
    settings = context.room.settings
    if not settings.motd:
        context.reply(Numeric.NOMOTD)
        return
    context.reply(Numeric.MOTDSTART, f"- {settings.server_name} Message of the day - ")
    for line in settings.motd:
        context.reply(Numeric.MOTD, f"- {line}")
    context.reply(Numeric.ENDOFMOTD)


def lusers(context: CommandContext, _params: Sequence[str]) -> None:
    """Show how many members and channels there are."""
    room = context.room
    members = room.registered_members()
    context.work += len(members) // 4
    invisible = sum(["i" in member.modes for member in members])  # each arrival counts them
    opers = sum([member.oper != "" for member in members])
    now, most = len(members), room.most_members
    context.reply(
        Numeric.LUSERCLIENT,
        f"There are {now - invisible} users and {invisible} invisible on 1 servers",
    )
    context.reply(Numeric.LUSEROP, str(opers))
    context.reply(Numeric.LUSERUNKNOWN, str(len(room.unregistered)))
    context.reply(Numeric.LUSERCHANNELS, str(len(room.channels)))
    context.reply(Numeric.LUSERME, f"I have {now} clients and 0 servers")
    for numeric, scope in ((Numeric.LOCALUSERS, "local"), (Numeric.GLOBALUSERS, "global")):
        context.reply(numeric, str(now), str(most), f"Current {scope} users {now}, max {most}")


def version(context: CommandContext, params: Sequence[str]) -> None:
    """Show the server's version and its ISUPPORT tokens."""
    if is_for_other_server(context, params):
        return
    settings = context.room.settings
    context.reply(Numeric.VERSION, settings.version, settings.server_name, "")
    show_isupport(context)


def time_(context: CommandContext, params: Sequence[str]) -> None:
    """Show the server's time."""
    if not is_for_other_server(context, params):
        context.reply(Numeric.TIME, context.room.settings.server_name, format_date(context.now))


def admin(context: CommandContext, params: Sequence[str]) -> None:
    """Show the administrator of the server."""
    if is_for_other_server(context, params):
        return
    settings = context.room.settings
    first, second, mail = (*settings.admin, "", "", "")[:3]
    context.reply(Numeric.ADMINME, settings.server_name)
    context.reply(Numeric.ADMINLOC1, first)
    context.reply(Numeric.ADMINLOC2, second)
    context.reply(Numeric.ADMINEMAIL, mail)


def info(context: CommandContext, params: Sequence[str]) -> None:
    """Show the server's software and the time of its start."""
    if is_for_other_server(context, params):
        return
    room = context.room
    context.reply(Numeric.INFO, f"{room.settings.version}, a small network-service daemon")
    context.reply(Numeric.INFO, f"On-line since {format_date(room.created)}")
    context.reply(Numeric.ENDOFINFO)


def links(context: CommandContext, _params: Sequence[str]) -> None:
    """Show the servers of the network: only this one."""
    settings = context.room.settings
    name = settings.server_name
    context.reply(Numeric.LINKS, name, name, f"0 {settings.network}")
    context.reply(Numeric.ENDOFLINKS, "*")


def stats(context: CommandContext, params: Sequence[str]) -> Steps:
    """Show statistics: `u` for the uptime, `k` for server bans."""
    query = params[0][:1] if params and params[0] else "*"
    if query == "u":
        seconds = int(context.now - context.room.created)
        days, rest = divmod(seconds, 86400)
        clock = f"{rest // 3600}:{rest // 60 % 60:02d}:{rest % 60:02d}"
        context.reply(Numeric.STATSUPTIME, f"Server Up {days} days {clock}")
    elif query in "kK":
        yield from server_ban.show_bans(context)
    context.reply(Numeric.ENDOFSTATS, query)


def isupport(context: CommandContext, _params: Sequence[str]) -> None:
    """Show what the server supports (005), also before the welcome (extended-isupport)."""
    if context.client.is_registered or context.client.has(Cap.EXTENDED_ISUPPORT):
        show_isupport(context)
    else:
        context.reply(Numeric.NOTREGISTERED)


def show_isupport(context: CommandContext) -> None:
    """Send the client the lines of 005, in a batch if it can read that."""
    settings, nick = context.room.settings, context.sender.shown_nick
    if not context.client.has(Cap.EXTENDED_ISUPPORT):
        for tokens in isupport_lines(settings):
            context.reply(Numeric.ISUPPORT, *tokens)
        return
    code, text = Numeric.ISUPPORT.code, Numeric.ISUPPORT.text
    lines = [
        Message(code, (nick, *tokens, text), settings.server_name)
        for tokens in isupport_lines(settings)
    ]
    for _ in context.reply_batch("draft/isupport", (), lines):
        pass  # there are few


COMMANDS = {
    "ISUPPORT": Command(isupport, "", phase=Phase.ANY),
    "MOTD": Command(motd, "[<server>]"),
    "LUSERS": Command(lusers, ""),
    "VERSION": Command(version, "[<server>]"),
    "TIME": Command(time_, "[<server>]"),
    "ADMIN": Command(admin, "[<server>]"),
    "INFO": Command(info, "[<server>]"),
    "LINKS": Command(links, ""),
    "STATS": Command(stats, "u|k"),
}
