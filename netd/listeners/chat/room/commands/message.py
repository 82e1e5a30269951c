"""Messages to channels and members: PRIVMSG, NOTICE, TAGMSG."""

from __future__ import annotations

from collections.abc import Sequence

from netd.listeners.chat.room.account_rules import SERVICE_NICK
from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.channel import Channel
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands import nickserv
from netd.listeners.chat.room.commands.accept import accept_reply
from netd.listeners.chat.room.commands.base import Command, Steps
from netd.listeners.chat.room.commands.history import record_private
from netd.listeners.chat.room.mask import matches
from netd.listeners.chat.room.member import Member
from netd.listeners.chat.room.numeric import Numeric
from netd.protocols.irc import Message, fold

_ABSENT = "not here; the message is kept"
_CTCP, _ACTION = "\x01", "\x01ACTION"


def privmsg(context: CommandContext, params: Sequence[str]) -> Steps | None:
    """Send a message to channels or members, or to NickServ."""
    if len(params) > 1 and fold(params[0]) == fold(SERVICE_NICK):
        return nickserv.receive(context, params[1])
    _send_text(context, "PRIVMSG", params)
    return None


def notice(context: CommandContext, params: Sequence[str]) -> None:
    """Send a message that no program may reply to."""
    _send_text(context, "NOTICE", params)


def tagmsg(context: CommandContext, params: Sequence[str]) -> None:
    """Send client-only tags without a text (message-tags)."""
    if not context.client.has(Cap.MESSAGE_TAGS):
        context.reply(Numeric.UNKNOWNCOMMAND, "TAGMSG")
    elif params and params[0]:
        _deliver_all(context, params[0], Message("TAGMSG"))


def _send_text(context: CommandContext, command: str, params: Sequence[str]) -> None:
    if not params or not params[0]:
        _reply_error(context, command, Numeric.NORECIPIENT)
    elif len(params) == 1 or not params[1]:
        _reply_error(context, command, Numeric.NOTEXTTOSEND)
    else:
        _deliver_all(context, params[0], Message(command, (params[1],)))


def _reply_error(context: CommandContext, command: str, numeric: Numeric, *params: str) -> None:
    if command == "PRIVMSG":  # a NOTICE gets no automatic reply (RFC 2812 §3.3.2)
        context.reply(numeric, *params)


def _deliver_all(context: CommandContext, targets: str, draft: Message) -> None:
    context.sender.idle_since = context.now
    names = targets.split(",") if "," in targets else [targets]
    allowed = context.room.settings.limits.targets
    for name in names[:allowed]:
        deliver(context, name, draft)
    for name in names[allowed:]:
        _reply_error(context, draft.command, Numeric.TOOMANYTARGETS, name)


def deliver(context: CommandContext, target: str, draft: Message) -> None:
    """Send a message to a channel, a member or, if the sender is an operator, to all members."""
    statuses = target[: len(target) - len(target.lstrip("@+"))]
    name = target[len(statuses) :]
    if name.startswith("#"):
        _send_to_channel(context, name, statuses, draft)
    elif name.startswith("$"):
        _send_to_server(context, name, draft)
    else:
        _send_to_member(context, target, draft)


def _send_to_channel(context: CommandContext, name: str, statuses: str, draft: Message) -> None:
    channel = context.room.find_channel(name)
    if channel is None:
        _reply_error(context, draft.command, Numeric.NOSUCHCHANNEL, name)
        return
    is_inside = context.sender in channel.members
    is_barred = not channel.may_speak(context.sender) or (statuses and not is_inside)
    if is_barred or ("C" in channel.modes and _is_ctcp(draft)):
        _reply_error(context, draft.command, Numeric.CANNOTSENDTOCHAN, channel.name)
        return
    message = context.history_message(draft.command, statuses[:1] + channel.name, *draft.params)
    if statuses:
        letters = "o" if statuses[0] == "@" else "ov"  # the first prefix is the lowest status
        _send_to_some(context, list(channel.members_with_status(letters)), message)
    else:
        _send_to_all(context, channel, message)


def _is_ctcp(draft: Message) -> bool:
    text = draft.params[0] if draft.params else ""
    return text.startswith(_CTCP) and not text.startswith(_ACTION)


def _send_to_all(context: CommandContext, channel: Channel, message: Message) -> None:
    if _belongs_in_history(message):
        context.record(channel, message)
    if message.command != "TAGMSG":
        context.relay(channel, message, to_sender=context.client.has(Cap.ECHO_MESSAGE))
    else:
        _send_to_some(context, list(channel.members), message)


def _belongs_in_history(message: Message) -> bool:
    return message.command != "TAGMSG" or "+draft/persist" in message.tags


def _send_to_some(context: CommandContext, members: list[Member], message: Message) -> None:
    cap = _cap_of(message)
    context.send_to(members, message, context.client, cap)
    if context.sender not in members:
        context.send_to_others(message, cap)
    _echo(context, message)


def _cap_of(message: Message) -> Cap | None:
    """The capability that a client needs to get a message."""
    return Cap.MESSAGE_TAGS if message.command == "TAGMSG" else None


def _send_to_server(context: CommandContext, mask: str, draft: Message) -> None:
    """Send an operator's message to all members (`$$*` or `$*`)."""
    if not context.sender.oper or not matches(mask.lstrip("$"), context.room.settings.server_name):
        _reply_error(context, draft.command, Numeric.NOSUCHNICK, mask)
        return
    message = context.history_message(draft.command, mask, *draft.params)
    _send_to_some(context, context.room.registered_members(), message)


def _send_to_member(context: CommandContext, nick: str, draft: Message) -> None:
    member = context.room.find_member(nick)
    if member is None:
        _leave_for_absent(context, nick, draft)
        return
    if not _may_write(context, member):
        _reply_error(context, draft.command, Numeric.NEEDREGGEDNICK, member.nick)
        return
    accept_reply(context, member)
    message = context.history_message(draft.command, member.nick, *draft.params)
    if _belongs_in_history(message):
        record_private(context, member.nick, member.account, message)
    cap = _cap_of(message)
    for client in member.clients:
        if cap is None or client.has(cap):
            context.send_unlabeled(client, message)
    if member is not context.sender:
        context.send_to_others(message, cap)
    _echo(context, message)
    if member.away and draft.command == "PRIVMSG":
        context.reply(Numeric.AWAY, member.nick, member.away)


def _leave_for_absent(context: CommandContext, nick: str, draft: Message) -> None:
    """Keep a message for an account that no member is logged in to; senders need an account."""
    account = context.room.accounts.find(nick) if context.sender.account else None
    if account is None or not _keeps_private(context):
        _reply_error(context, draft.command, Numeric.NOSUCHNICK, nick)
        return
    message = context.history_message(draft.command, account.name, *draft.params)
    if _belongs_in_history(message):
        record_private(context, account.name, account.name, message)
    context.send_to_others(message, _cap_of(message))
    _echo(context, message)
    if draft.command == "PRIVMSG":
        context.reply(Numeric.AWAY, account.name, _ABSENT)


def _keeps_private(context: CommandContext) -> bool:
    settings = context.room.settings
    return settings.stores_messages or settings.limits.history_lines > 0


def _may_write(context: CommandContext, member: Member) -> bool:
    """Whether the sender may send a member private messages (+R)."""
    sender = context.sender
    is_known = sender.account or sender.oper or sender is member
    return bool(is_known) or not member.is_registered_only or member.has_accepted(sender)


def _echo(context: CommandContext, message: Message) -> None:
    if context.client.has(Cap.ECHO_MESSAGE):
        context.reply_message(message)


COMMANDS = {
    "PRIVMSG": Command(privmsg, "<target>[,<target>] :<text>"),
    "NOTICE": Command(notice, "<target>[,<target>] :<text>"),
    "TAGMSG": Command(tagmsg, "<target>[,<target>]"),
}
