"""REGAIN and GHOST: return the nick of an account from another connection to its owner."""

from __future__ import annotations

from collections.abc import Sequence

from netd.listeners.chat.room import presence
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands.base import Command
from netd.listeners.chat.room.commands.registration import change_nick
from netd.listeners.chat.room.numeric import Numeric
from netd.protocols.irc import fold


def regain(context: CommandContext, params: Sequence[str]) -> None:
    """Take the nick of the sender's account, from the member that has it."""
    account = context.sender.account
    nick = params[0] if params and params[0] else account
    if not account or fold(nick) != fold(account):
        _refuse(context, nick)
        return
    holder = context.room.members.get(fold(nick))
    if holder is not None and holder is not context.sender:
        presence.disconnect_member(context, holder, _reason(context))
    change_nick(context, nick)


def ghost(context: CommandContext, params: Sequence[str]) -> None:
    """Disconnect a member that has the nick of the sender's account, or is logged in to it."""
    account = context.sender.account
    nick = params[0] if params and params[0] else account
    holder = context.room.members.get(fold(nick)) if nick else None
    is_own = fold(account) in (fold(nick), fold(holder.account) if holder is not None else "")
    if not account or holder is context.sender or not is_own:
        _refuse(context, nick)
    elif holder is None:
        context.reply(Numeric.NOSUCHNICK, nick)
    else:
        presence.disconnect_member(context, holder, _reason(context))
        context.reply_command("NOTICE", context.sender.nick, f"{nick} has been disconnected")


def _refuse(context: CommandContext, nick: str) -> None:
    if context.sender.account:
        context.fail("INVALID_TARGET", nick or "*", "The nick does not belong to your account")
    else:
        context.fail("ACCOUNT_REQUIRED", "You must log in to the account of the nick first")


def _reason(context: CommandContext) -> str:
    return f"Replaced by {context.sender.nick}, the owner of the nick"


COMMANDS = {
    "REGAIN": Command(regain, "[<nick>]"),
    "GHOST": Command(ghost, "[<nick>]"),
}
