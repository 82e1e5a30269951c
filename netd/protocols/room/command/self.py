"""What a member says of itself, and whom it watches: AWAY, SETNAME, MONITOR."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from netd.protocols.irc import fold, is_nick
from netd.protocols.room import presence
from netd.protocols.room.capability import Cap
from netd.protocols.room.command.base import Command
from netd.protocols.room.exchange import Exchange
from netd.protocols.room.news import tell_peers
from netd.protocols.room.numeric import Numeric


def away(exchange: Exchange, params: Sequence[str]) -> None:
    """Say that one is away, or back."""
    member = exchange.member
    text = params[0][: exchange.room.settings.limits.away_chars] if params else ""
    changed, member.away = text != member.away, text
    exchange.reply(Numeric.NOWAWAY if text else Numeric.UNAWAY)
    if changed:
        message = exchange.from_member("AWAY", *([text] if text else []))
        tell_peers(exchange, message, Cap.AWAY_NOTIFY)


def setname(exchange: Exchange, params: Sequence[str]) -> None:
    """Change one's real name (IRCv3 setname)."""
    member = exchange.member
    if not params[0] or len(params[0]) > exchange.room.settings.limits.realname_chars:
        exchange.fail("INVALID_REALNAME", "Real name is empty or too long")
        return
    member.realname = params[0]
    message = exchange.from_member("SETNAME", member.realname)
    tell_peers(exchange, message, Cap.SETNAME)
    if member.has(Cap.SETNAME):
        exchange.answer(message)


def monitor(exchange: Exchange, params: Sequence[str]) -> None:
    """Be told when nicks come and go."""
    action = _MONITOR_ACTIONS.get(params[0].upper())
    if action is not None:
        action(exchange, params[1].split(",") if len(params) > 1 else [])


def _unwatch(exchange: Exchange, nicks: Iterable[str]) -> None:
    for folded in map(fold, nicks):
        if exchange.member.monitoring.pop(folded, None):
            presence.unwatch(exchange, exchange.member, folded)


def _unwatch_all(exchange: Exchange, _nicks: Sequence[str]) -> None:
    _unwatch(exchange, list(exchange.member.monitoring))


def _list(exchange: Exchange, _nicks: Sequence[str]) -> None:
    _reply(exchange, Numeric.MONLIST, exchange.member.monitoring.values())
    exchange.reply(Numeric.ENDOFMONLIST)


def _show_all(exchange: Exchange, _nicks: Sequence[str]) -> None:
    _show(exchange, exchange.member.monitoring.values())


def _watch(exchange: Exchange, nicks: Sequence[str]) -> None:
    member, limits = exchange.member, exchange.room.settings.limits
    added = []
    for index, nick in enumerate(nicks):
        if not is_nick(nick, limits.nick_chars):
            continue
        if len(member.monitoring) >= limits.monitored and fold(nick) not in member.monitoring:
            rest = ",".join(nicks[index:])
            exchange.reply(Numeric.MONLISTFULL, str(limits.monitored), rest)
            break
        member.monitoring[fold(nick)] = nick
        exchange.room.watchers.setdefault(fold(nick), set()).add(member)
        added.append(nick)
    _show(exchange, added)


def _show(exchange: Exchange, nicks: Iterable[str]) -> None:
    room = exchange.room
    here, gone = [], []
    for nick in nicks:
        member = room.members.get(fold(nick))
        if member is None or member in room.unregistered:
            gone.append(nick)
        else:
            here.append(member.prefix)
    _reply(exchange, Numeric.MONONLINE, here)
    _reply(exchange, Numeric.MONOFFLINE, gone)


def _reply(exchange: Exchange, numeric: Numeric, words: Iterable[str]) -> None:
    exchange.reply_words(numeric, (), words, ",")


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
