"""What the server says of itself: MOTD, LUSERS, VERSION, TIME, ADMIN, INFO, LINKS, STATS, HELP."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands.base import Command, Phase
from netd.listeners.chat.room.isupport import isupport_lines
from netd.listeners.chat.room.mask import matches
from netd.listeners.chat.room.numeric import Numeric

_HELP = (
    "To talk in a channel: JOIN #channel, then PRIVMSG #channel :your words",
    "HELP COMMANDS lists every command; HELP <command> shows how it is written",
)


def date(at: float) -> str:
    """A moment for a person to read."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def is_other(context: CommandContext, params: Sequence[str]) -> bool:
    """Whether a command names a server that is not this one; answers so if it does."""
    server = params[0] if params else ""
    settings, room = context.room.settings, context.room
    if not server or matches(server, settings.server_name) or server.lower() in room.members:
        return False
    context.reply(Numeric.NOSUCHSERVER, server)
    return True


def motd(context: CommandContext, params: Sequence[str]) -> None:
    """The message of the day."""
    if is_other(context, params):
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
    """How many are here."""
    room = context.room
    present = [each for each in room.members.values() if each not in room.unregistered]
    invisible = sum("i" in each.modes for each in present)
    opers = sum(bool(each.oper) for each in present)
    now, most = len(present), room.most_members
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
    """The server's version, and what it can do."""
    if is_other(context, params):
        return
    settings = context.room.settings
    context.reply(Numeric.VERSION, settings.version, settings.server_name, "")
    for tokens in isupport_lines(settings):
        context.reply(Numeric.ISUPPORT, *tokens)


def time_(context: CommandContext, params: Sequence[str]) -> None:
    """The server's time."""
    if not is_other(context, params):
        context.reply(Numeric.TIME, context.room.settings.server_name, date(context.now))


def admin(context: CommandContext, params: Sequence[str]) -> None:
    """Who looks after the server."""
    if is_other(context, params):
        return
    settings = context.room.settings
    first, second, mail = (*settings.admin, "", "", "")[:3]
    context.reply(Numeric.ADMINME, settings.server_name)
    context.reply(Numeric.ADMINLOC1, first)
    context.reply(Numeric.ADMINLOC2, second)
    context.reply(Numeric.ADMINEMAIL, mail)


def info(context: CommandContext, params: Sequence[str]) -> None:
    """What the server is."""
    if is_other(context, params):
        return
    room = context.room
    context.reply(Numeric.INFO, f"{room.settings.version}, a small network-service daemon")
    context.reply(Numeric.INFO, f"On-line since {date(room.created)}")
    context.reply(Numeric.ENDOFINFO)


def links(context: CommandContext, _params: Sequence[str]) -> None:
    """The servers of the network: this one."""
    settings = context.room.settings
    name = settings.server_name
    context.reply(Numeric.LINKS, name, name, f"0 {settings.network}")
    context.reply(Numeric.ENDOFLINKS, "*")


def stats(context: CommandContext, params: Sequence[str]) -> None:
    """Statistics: `u` for the uptime."""
    query = params[0][:1] if params and params[0] else "*"
    if query == "u":
        seconds = int(context.now - context.room.created)
        days, rest = divmod(seconds, 86400)
        clock = f"{rest // 3600}:{rest // 60 % 60:02d}:{rest % 60:02d}"
        context.reply(Numeric.STATSUPTIME, f"Server Up {days} days {clock}")
    context.reply(Numeric.ENDOFSTATS, query)


def help_(context: CommandContext, params: Sequence[str]) -> None:
    """How a command is written."""
    commands = context.room.commands
    subject = params[0].upper() if params and params[0] else "*"
    if subject == "*":
        lines = list(_HELP)
    elif subject == "COMMANDS":
        lines = [" ".join(sorted(commands))]
    elif subject in commands:
        lines = [f"{subject} {commands[subject].syntax}"]
    else:
        context.reply(Numeric.HELPNOTFOUND, subject)
        return
    context.reply(Numeric.HELPSTART, subject, f"Help on {subject}")
    for line in lines:
        context.reply(Numeric.HELPTXT, subject, line)
    context.reply(Numeric.ENDOFHELP, subject, "End of /HELP")


COMMANDS = {
    "MOTD": Command(motd, "[<server>]"),
    "LUSERS": Command(lusers, ""),
    "VERSION": Command(version, "[<server>]"),
    "TIME": Command(time_, "[<server>]"),
    "ADMIN": Command(admin, "[<server>]"),
    "INFO": Command(info, "[<server>]"),
    "LINKS": Command(links, ""),
    "STATS": Command(stats, "u"),
    "HELP": Command(help_, "[<command>]", phase=Phase.ANY),
    "HELPOP": Command(help_, "[<command>]"),
}
