"""Talking: PRIVMSG, NOTICE, TAGMSG."""

from __future__ import annotations

from collections.abc import Sequence

from netd.protocols.irc import Message, fold
from netd.protocols.room.capability import Cap
from netd.protocols.room.channel import Channel
from netd.protocols.room.command.base import Command
from netd.protocols.room.command.history import keep_private
from netd.protocols.room.exchange import Exchange
from netd.protocols.room.mask import matches
from netd.protocols.room.member import Member
from netd.protocols.room.numeric import Numeric

_CTCP, _ACTION = "\x01", "\x01ACTION"


def privmsg(exchange: Exchange, params: Sequence[str]) -> None:
    """Say something to channels or members."""
    _talk(exchange, "PRIVMSG", params)


def notice(exchange: Exchange, params: Sequence[str]) -> None:
    """Say something that must not be answered automatically."""
    _talk(exchange, "NOTICE", params)


def tagmsg(exchange: Exchange, params: Sequence[str]) -> None:
    """Send client-only tags and no text (message-tags)."""
    if not exchange.member.has(Cap.MESSAGE_TAGS):
        exchange.reply(Numeric.UNKNOWNCOMMAND, "TAGMSG")
    elif params and params[0]:
        _deliver_all(exchange, params[0], Message("TAGMSG"))


def _talk(exchange: Exchange, command: str, params: Sequence[str]) -> None:
    if not params or not params[0]:
        _complain(exchange, command, Numeric.NORECIPIENT)
    elif len(params) == 1 or not params[1]:
        _complain(exchange, command, Numeric.NOTEXTTOSEND)
    else:
        _deliver_all(exchange, params[0], Message(command, (params[1],)))


def _complain(exchange: Exchange, command: str, numeric: Numeric, *params: str) -> None:
    if command == "PRIVMSG":  # a NOTICE is never answered (RFC 2812 3.3.2)
        exchange.reply(numeric, *params)


def _deliver_all(exchange: Exchange, targets: str, draft: Message) -> None:
    exchange.member.idle_since = exchange.now
    names = targets.split(",") if "," in targets else [targets]
    allowed = exchange.room.settings.limits.targets
    for name in names[:allowed]:
        _deliver(exchange, name, draft)
    for name in names[allowed:]:
        _complain(exchange, draft.command, Numeric.TOOMANYTARGETS, name)


def _deliver(exchange: Exchange, target: str, draft: Message) -> None:
    statuses = target[: len(target) - len(target.lstrip("@+"))]
    name = target[len(statuses) :]
    if name.startswith("#"):
        _to_channel(exchange, name, statuses, draft)
    elif name.startswith("$"):
        _to_server(exchange, name, draft)
    else:
        _to_member(exchange, target, draft)


def _to_channel(exchange: Exchange, name: str, statuses: str, draft: Message) -> None:
    channel = exchange.room.channels.get(fold(name))
    if channel is None:
        _complain(exchange, draft.command, Numeric.NOSUCHCHANNEL, name)
        return
    is_inside = exchange.member in channel.members
    if not channel.may_speak(exchange.member) or (statuses and not is_inside):
        _complain(exchange, draft.command, Numeric.CANNOTSENDTOCHAN, channel.name)
        return
    if "C" in channel.modes and _is_ctcp(draft):
        _complain(exchange, draft.command, Numeric.CANNOTSENDTOCHAN, channel.name)
        return
    message = exchange.recorded(draft.command, statuses[:1] + channel.name, *draft.params)
    if statuses:
        lowest = statuses[0]
        letters = "o" if lowest == "@" else "ov"
        _to_group(exchange, channel, letters, message)
    else:
        _to_everybody(exchange, channel, message)


def _is_ctcp(draft: Message) -> bool:
    text = draft.params[0] if draft.params else ""
    return text.startswith(_CTCP) and not text.startswith(_ACTION)


def _to_everybody(exchange: Exchange, channel: Channel, message: Message) -> None:
    if _is_kept(message):
        exchange.keep(channel, message)
    if message.command != "TAGMSG":
        exchange.broadcast(channel, message, to_self=exchange.member.has(Cap.ECHO_MESSAGE))
    else:
        _to_some(exchange, list(channel.members), message)


def _is_kept(message: Message) -> bool:
    return message.command != "TAGMSG" or "+draft/persist" in message.tags


def _to_group(exchange: Exchange, channel: Channel, letters: str, message: Message) -> None:
    _to_some(exchange, list(channel.with_status(letters)), message)


def _to_some(exchange: Exchange, members: list[Member], message: Message) -> None:
    if message.command == "TAGMSG":
        members = [each for each in members if each.has(Cap.MESSAGE_TAGS)]
    exchange.send(members, message, exchange.member)
    _echo(exchange, message)


def _to_server(exchange: Exchange, mask: str, draft: Message) -> None:
    """An operator's word to everybody (`$$*` or `$*`)."""
    if not exchange.member.oper or not matches(
        mask.lstrip("$"), exchange.room.settings.server_name
    ):
        _complain(exchange, draft.command, Numeric.NOSUCHNICK, mask)
        return
    present = [e for e in exchange.room.members.values() if e not in exchange.room.unregistered]
    _to_some(exchange, present, exchange.recorded(draft.command, mask, *draft.params))


def _to_member(exchange: Exchange, nick: str, draft: Message) -> None:
    member = exchange.room.members.get(fold(nick))
    if member is None or member in exchange.room.unregistered:
        _complain(exchange, draft.command, Numeric.NOSUCHNICK, nick)
        return
    message = exchange.recorded(draft.command, member.nick, *draft.params)
    if _is_kept(message):
        keep_private(exchange, member, message)
    if message.command != "TAGMSG" or member.has(Cap.MESSAGE_TAGS):
        exchange.post(member, message)
    _echo(exchange, message)
    if member.away and draft.command == "PRIVMSG":
        exchange.reply(Numeric.AWAY, member.nick, member.away)


def _echo(exchange: Exchange, message: Message) -> None:
    if exchange.member.has(Cap.ECHO_MESSAGE):
        exchange.answer(message)


COMMANDS = {
    "PRIVMSG": Command(privmsg, "<target>[,<target>] :<text>"),
    "NOTICE": Command(notice, "<target>[,<target>] :<text>"),
    "TAGMSG": Command(tagmsg, "<target>[,<target>]"),
}
