"""A member's own state, and the nicks that it monitors: AWAY, SETNAME, MONITOR."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from netd.listeners.chat.room import presence
from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands.base import Command, Phase, Steps
from netd.listeners.chat.room.numeric import Numeric
from netd.protocols.irc import fold, is_nick


def away(context: CommandContext, params: Sequence[str]) -> None:
    """Mark the sender as away with a message, or as back; `*` is no message (pre-away)."""
    sender, is_present = context.sender, context.client.is_registered
    if not (is_present or context.client.has(Cap.PRE_AWAY)):
        context.reply(Numeric.NOTREGISTERED)
        return
    text = params[0][: context.room.settings.limits.away_chars] if params else ""
    has_changed, sender.away = text != sender.away, text
    numeric = Numeric.NOWAWAY if text else Numeric.UNAWAY
    context.reply(numeric)
    if has_changed and is_present:
        message = context.message_from_sender("AWAY", *([text] if text else []))
        presence.notify_peers(context, message, Cap.AWAY_NOTIFY)
        context.reply_to_others(numeric)


def setname(context: CommandContext, params: Sequence[str]) -> None:
    """Change the sender's real name (IRCv3 setname)."""
    sender = context.sender
    if not params[0] or len(params[0]) > context.room.settings.limits.realname_chars:
        context.fail("INVALID_REALNAME", "Real name is empty or too long")
        return
    sender.realname = params[0]
    message = context.message_from_sender("SETNAME", sender.realname)
    presence.notify_peers(context, message, Cap.SETNAME)
    context.send_to((sender,), message, cap=Cap.SETNAME)


def monitor(context: CommandContext, params: Sequence[str]) -> Steps | None:
    """Change or show the nicks about which the client is notified (IRCv3 monitor)."""
    action = _MONITOR_ACTIONS.get(params[0].upper())
    if action is None:
        return None
    return action(context, params[1].split(",") if len(params) > 1 else [])


def _remove(context: CommandContext, nicks: Iterable[str]) -> None:
    for folded in map(fold, nicks):
        if context.client.monitoring.pop(folded, None):
            presence.stop_monitoring(context.room, context.client, folded)


def _clear(context: CommandContext, _nicks: Sequence[str]) -> None:
    _remove(context, list(context.client.monitoring))


def _list(context: CommandContext, _nicks: Sequence[str]) -> Steps:
    yield from _reply(context, Numeric.MONLIST, list(context.client.monitoring.values()))
    context.reply(Numeric.ENDOFMONLIST)


def _show_all(context: CommandContext, _nicks: Sequence[str]) -> Steps:
    return _show(context, context.client.monitoring.values())


def _add(context: CommandContext, nicks: Sequence[str]) -> Steps:
    client, limits = context.client, context.room.settings.limits
    added = []
    for index, nick in enumerate(nicks):
        if not is_nick(nick, limits.nick_chars):
            continue
        if len(client.monitoring) >= limits.monitored and fold(nick) not in client.monitoring:
            rest = ",".join(nicks[index:])
            context.reply(Numeric.MONLISTFULL, str(limits.monitored), rest)
            break
        client.monitoring[fold(nick)] = nick
        context.room.watchers.setdefault(fold(nick), set()).add(client)
        added.append(nick)
    return _show(context, added)


def _show(context: CommandContext, nicks: Iterable[str]) -> Steps:
    online, offline = [], []
    for nick in nicks:
        member = context.room.find_member(nick)
        if member is None:
            offline.append(nick)
        else:
            online.append(member.prefix)
    yield from _reply(context, Numeric.MONONLINE, online)
    yield from _reply(context, Numeric.MONOFFLINE, offline)


def _reply(context: CommandContext, numeric: Numeric, words: Iterable[str]) -> Steps:
    return context.reply_words(numeric, (), words, ",")


_MONITOR_ACTIONS = {
    "+": _add,
    "-": _remove,
    "C": _clear,
    "L": _list,
    "S": _show_all,
}
COMMANDS = {
    "AWAY": Command(away, "[:<why>]", phase=Phase.ANY),
    "SETNAME": Command(setname, ":<real name>", params=1),
    "MONITOR": Command(monitor, "+|-|C|L|S [<nick>[,<nick>]]", params=1),
}
