"""What a member says of itself, and whom it watches: AWAY, SETNAME, MONITOR."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from netd.listeners.chat.room import presence
from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands.base import Command
from netd.listeners.chat.room.notify import tell_peers
from netd.listeners.chat.room.numeric import Numeric
from netd.protocols.irc import fold, is_nick


def away(context: CommandContext, params: Sequence[str]) -> None:
    """Say that one is away, or back."""
    member = context.member
    text = params[0][: context.room.settings.limits.away_chars] if params else ""
    changed, member.away = text != member.away, text
    context.reply(Numeric.NOWAWAY if text else Numeric.UNAWAY)
    if changed:
        message = context.from_member("AWAY", *([text] if text else []))
        tell_peers(context, message, Cap.AWAY_NOTIFY)


def setname(context: CommandContext, params: Sequence[str]) -> None:
    """Change one's real name (IRCv3 setname)."""
    member = context.member
    if not params[0] or len(params[0]) > context.room.settings.limits.realname_chars:
        context.fail("INVALID_REALNAME", "Real name is empty or too long")
        return
    member.realname = params[0]
    message = context.from_member("SETNAME", member.realname)
    tell_peers(context, message, Cap.SETNAME)
    if member.has(Cap.SETNAME):
        context.answer(message)


def monitor(context: CommandContext, params: Sequence[str]) -> None:
    """Be told when nicks come and go."""
    action = _MONITOR_ACTIONS.get(params[0].upper())
    if action is not None:
        action(context, params[1].split(",") if len(params) > 1 else [])


def _unwatch(context: CommandContext, nicks: Iterable[str]) -> None:
    for folded in map(fold, nicks):
        if context.member.monitoring.pop(folded, None):
            presence.unwatch(context, context.member, folded)


def _unwatch_all(context: CommandContext, _nicks: Sequence[str]) -> None:
    _unwatch(context, list(context.member.monitoring))


def _list(context: CommandContext, _nicks: Sequence[str]) -> None:
    _reply(context, Numeric.MONLIST, context.member.monitoring.values())
    context.reply(Numeric.ENDOFMONLIST)


def _show_all(context: CommandContext, _nicks: Sequence[str]) -> None:
    _show(context, context.member.monitoring.values())


def _watch(context: CommandContext, nicks: Sequence[str]) -> None:
    member, limits = context.member, context.room.settings.limits
    added = []
    for index, nick in enumerate(nicks):
        if not is_nick(nick, limits.nick_chars):
            continue
        if len(member.monitoring) >= limits.monitored and fold(nick) not in member.monitoring:
            rest = ",".join(nicks[index:])
            context.reply(Numeric.MONLISTFULL, str(limits.monitored), rest)
            break
        member.monitoring[fold(nick)] = nick
        context.room.watchers.setdefault(fold(nick), set()).add(member)
        added.append(nick)
    _show(context, added)


def _show(context: CommandContext, nicks: Iterable[str]) -> None:
    room = context.room
    here, gone = [], []
    for nick in nicks:
        member = room.members.get(fold(nick))
        if member is None or member in room.unregistered:
            gone.append(nick)
        else:
            here.append(member.prefix)
    _reply(context, Numeric.MONONLINE, here)
    _reply(context, Numeric.MONOFFLINE, gone)


def _reply(context: CommandContext, numeric: Numeric, words: Iterable[str]) -> None:
    context.reply_words(numeric, (), words, ",")


_MONITOR_ACTIONS = {
    "+": _watch,
    "-": _unwatch,
    "C": _unwatch_all,
    "L": _list,
    "S": _show_all,
}
COMMANDS = {
    "AWAY": Command(away, "[:<why>]"),
    "SETNAME": Command(setname, ":<real name>", params=1),
    "MONITOR": Command(monitor, "+|-|C|L|S [<nick>[,<nick>]]", params=1),
}
