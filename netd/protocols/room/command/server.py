"""What the server says of itself: MOTD, LUSERS, VERSION, TIME, ADMIN, INFO, LINKS, STATS, HELP."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from netd.protocols.room.command.base import Command, Phase
from netd.protocols.room.exchange import Exchange
from netd.protocols.room.isupport import isupport_lines
from netd.protocols.room.mask import matches
from netd.protocols.room.numeric import Numeric

_HELP = (
    "To talk in a channel: JOIN #channel, then PRIVMSG #channel :your words",
    "HELP COMMANDS lists every command; HELP <command> shows how it is written",
)


def date(at: float) -> str:
    """A moment for a person to read."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def is_other(exchange: Exchange, params: Sequence[str]) -> bool:
    """Whether a command names a server that is not this one; answers so if it does."""
    server = params[0] if params else ""
    settings, room = exchange.room.settings, exchange.room
    if not server or matches(server, settings.server_name) or server.lower() in room.members:
        return False
    exchange.reply(Numeric.NOSUCHSERVER, server)
    return True


def motd(exchange: Exchange, params: Sequence[str]) -> None:
    """The message of the day."""
    if is_other(exchange, params):
        return
    settings = exchange.room.settings
    if not settings.motd:
        exchange.reply(Numeric.NOMOTD)
        return
    exchange.reply(Numeric.MOTDSTART, f"- {settings.server_name} Message of the day - ")
    for line in settings.motd:
        exchange.reply(Numeric.MOTD, f"- {line}")
    exchange.reply(Numeric.ENDOFMOTD)


def lusers(exchange: Exchange, _params: Sequence[str]) -> None:
    """How many are here."""
    room = exchange.room
    present = [each for each in room.members.values() if each not in room.unregistered]
    invisible = sum("i" in each.modes for each in present)
    opers = sum(bool(each.oper) for each in present)
    now, most = len(present), room.most_members
    exchange.reply(
        Numeric.LUSERCLIENT,
        f"There are {now - invisible} users and {invisible} invisible on 1 servers",
    )
    exchange.reply(Numeric.LUSEROP, str(opers))
    exchange.reply(Numeric.LUSERUNKNOWN, str(len(room.unregistered)))
    exchange.reply(Numeric.LUSERCHANNELS, str(len(room.channels)))
    exchange.reply(Numeric.LUSERME, f"I have {now} clients and 0 servers")
    for numeric, scope in ((Numeric.LOCALUSERS, "local"), (Numeric.GLOBALUSERS, "global")):
        exchange.reply(numeric, str(now), str(most), f"Current {scope} users {now}, max {most}")


def version(exchange: Exchange, params: Sequence[str]) -> None:
    """The server's version, and what it can do."""
    if is_other(exchange, params):
        return
    settings = exchange.room.settings
    exchange.reply(Numeric.VERSION, settings.version, settings.server_name, "")
    for tokens in isupport_lines(settings):
        exchange.reply(Numeric.ISUPPORT, *tokens)


def time_(exchange: Exchange, params: Sequence[str]) -> None:
    """The server's time."""
    if not is_other(exchange, params):
        exchange.reply(Numeric.TIME, exchange.room.settings.server_name, date(exchange.now))


def admin(exchange: Exchange, params: Sequence[str]) -> None:
    """Who looks after the server."""
    if is_other(exchange, params):
        return
    settings = exchange.room.settings
    first, second, mail = (*settings.admin, "", "", "")[:3]
    exchange.reply(Numeric.ADMINME, settings.server_name)
    exchange.reply(Numeric.ADMINLOC1, first)
    exchange.reply(Numeric.ADMINLOC2, second)
    exchange.reply(Numeric.ADMINEMAIL, mail)


def info(exchange: Exchange, params: Sequence[str]) -> None:
    """What the server is."""
    if is_other(exchange, params):
        return
    room = exchange.room
    exchange.reply(Numeric.INFO, f"{room.settings.version}, a small network-service daemon")
    exchange.reply(Numeric.INFO, f"On-line since {date(room.created)}")
    exchange.reply(Numeric.ENDOFINFO)


def links(exchange: Exchange, _params: Sequence[str]) -> None:
    """The servers of the network: this one."""
    settings = exchange.room.settings
    name = settings.server_name
    exchange.reply(Numeric.LINKS, name, name, f"0 {settings.description or settings.network}")
    exchange.reply(Numeric.ENDOFLINKS, "*")


def stats(exchange: Exchange, params: Sequence[str]) -> None:
    """Statistics: `u` for the uptime."""
    query = params[0][:1] if params and params[0] else "*"
    if query == "u":
        seconds = int(exchange.now - exchange.room.created)
        days, rest = divmod(seconds, 86400)
        clock = f"{rest // 3600}:{rest // 60 % 60:02d}:{rest % 60:02d}"
        exchange.reply(Numeric.STATSUPTIME, f"Server Up {days} days {clock}")
    exchange.reply(Numeric.ENDOFSTATS, query)


def help_(exchange: Exchange, params: Sequence[str]) -> None:
    """How a command is written."""
    commands = exchange.room.commands
    subject = params[0].upper() if params and params[0] else "*"
    if subject == "*":
        lines = list(_HELP)
    elif subject == "COMMANDS":
        lines = [" ".join(sorted(commands))]
    elif subject in commands:
        lines = [f"{subject} {commands[subject].syntax}"]
    else:
        exchange.reply(Numeric.HELPNOTFOUND, subject)
        return
    exchange.reply(Numeric.HELPSTART, subject, f"Help on {subject}")
    for line in lines:
        exchange.reply(Numeric.HELPTXT, subject, line)
    exchange.reply(Numeric.ENDOFHELP, subject, "End of /HELP")


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
