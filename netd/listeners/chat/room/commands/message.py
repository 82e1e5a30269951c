"""Talking: PRIVMSG, NOTICE, TAGMSG."""

from __future__ import annotations

from collections.abc import Sequence

from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.channel import Channel
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands.base import Command
from netd.listeners.chat.room.commands.history import keep_private
from netd.listeners.chat.room.mask import matches
from netd.listeners.chat.room.member import Member
from netd.listeners.chat.room.numeric import Numeric
from netd.protocols.irc import Message, fold

_CTCP, _ACTION = "\x01", "\x01ACTION"


def privmsg(context: CommandContext, params: Sequence[str]) -> None:
    """Say something to channels or members."""
    _talk(context, "PRIVMSG", params)


def notice(context: CommandContext, params: Sequence[str]) -> None:
    """Say something that must not be answered automatically."""
    _talk(context, "NOTICE", params)


def tagmsg(context: CommandContext, params: Sequence[str]) -> None:
    """Send client-only tags and no text (message-tags)."""
    if not context.member.has(Cap.MESSAGE_TAGS):
        context.reply(Numeric.UNKNOWNCOMMAND, "TAGMSG")
    elif params and params[0]:
        _deliver_all(context, params[0], Message("TAGMSG"))


def _talk(context: CommandContext, command: str, params: Sequence[str]) -> None:
    if not params or not params[0]:
        _complain(context, command, Numeric.NORECIPIENT)
    elif len(params) == 1 or not params[1]:
        _complain(context, command, Numeric.NOTEXTTOSEND)
    else:
        _deliver_all(context, params[0], Message(command, (params[1],)))


def _complain(context: CommandContext, command: str, numeric: Numeric, *params: str) -> None:
    if command == "PRIVMSG":  # a NOTICE is never answered (RFC 2812 3.3.2)
        context.reply(numeric, *params)


def _deliver_all(context: CommandContext, targets: str, draft: Message) -> None:
    context.member.idle_since = context.now
    names = targets.split(",") if "," in targets else [targets]
    allowed = context.room.settings.limits.targets
    for name in names[:allowed]:
        _deliver(context, name, draft)
    for name in names[allowed:]:
        _complain(context, draft.command, Numeric.TOOMANYTARGETS, name)


def _deliver(context: CommandContext, target: str, draft: Message) -> None:
    statuses = target[: len(target) - len(target.lstrip("@+"))]
    name = target[len(statuses) :]
    if name.startswith("#"):
        _to_channel(context, name, statuses, draft)
    elif name.startswith("$"):
        _to_server(context, name, draft)
    else:
        _to_member(context, target, draft)


def _to_channel(context: CommandContext, name: str, statuses: str, draft: Message) -> None:
    channel = context.room.channels.get(fold(name))
    if channel is None:
        _complain(context, draft.command, Numeric.NOSUCHCHANNEL, name)
        return
    is_inside = context.member in channel.members
    if not channel.may_speak(context.member) or (statuses and not is_inside):
        _complain(context, draft.command, Numeric.CANNOTSENDTOCHAN, channel.name)
        return
    if "C" in channel.modes and _is_ctcp(draft):
        _complain(context, draft.command, Numeric.CANNOTSENDTOCHAN, channel.name)
        return
    message = context.recorded(draft.command, statuses[:1] + channel.name, *draft.params)
    if statuses:
        lowest = statuses[0]
        letters = "o" if lowest == "@" else "ov"
        _to_group(context, channel, letters, message)
    else:
        _to_everybody(context, channel, message)


def _is_ctcp(draft: Message) -> bool:
    text = draft.params[0] if draft.params else ""
    return text.startswith(_CTCP) and not text.startswith(_ACTION)


def _to_everybody(context: CommandContext, channel: Channel, message: Message) -> None:
    if _is_kept(message):
        context.keep(channel, message)
    if message.command != "TAGMSG":
        context.broadcast(channel, message, to_self=context.member.has(Cap.ECHO_MESSAGE))
    else:
        _to_some(context, list(channel.members), message)


def _is_kept(message: Message) -> bool:
    return message.command != "TAGMSG" or "+draft/persist" in message.tags


def _to_group(context: CommandContext, channel: Channel, letters: str, message: Message) -> None:
    _to_some(context, list(channel.with_status(letters)), message)


def _to_some(context: CommandContext, members: list[Member], message: Message) -> None:
    if message.command == "TAGMSG":
        members = [each for each in members if each.has(Cap.MESSAGE_TAGS)]
    context.send(members, message, context.member)
    _echo(context, message)


def _to_server(context: CommandContext, mask: str, draft: Message) -> None:
    """An operator's word to everybody (`$$*` or `$*`)."""
    if not context.member.oper or not matches(mask.lstrip("$"), context.room.settings.server_name):
        _complain(context, draft.command, Numeric.NOSUCHNICK, mask)
        return
    present = [e for e in context.room.members.values() if e not in context.room.unregistered]
    _to_some(context, present, context.recorded(draft.command, mask, *draft.params))


def _to_member(context: CommandContext, nick: str, draft: Message) -> None:
    member = context.room.members.get(fold(nick))
    if member is None or member in context.room.unregistered:
        _complain(context, draft.command, Numeric.NOSUCHNICK, nick)
        return
    message = context.recorded(draft.command, member.nick, *draft.params)
    if _is_kept(message):
        keep_private(context, member, message)
    if message.command != "TAGMSG" or member.has(Cap.MESSAGE_TAGS):
        context.post(member, message)
    _echo(context, message)
    if member.away and draft.command == "PRIVMSG":
        context.reply(Numeric.AWAY, member.nick, member.away)


def _echo(context: CommandContext, message: Message) -> None:
    if context.member.has(Cap.ECHO_MESSAGE):
        context.answer(message)


COMMANDS = {
    "PRIVMSG": Command(privmsg, "<target>[,<target>] :<text>"),
    "NOTICE": Command(notice, "<target>[,<target>] :<text>"),
    "TAGMSG": Command(tagmsg, "<target>[,<target>]"),
}
