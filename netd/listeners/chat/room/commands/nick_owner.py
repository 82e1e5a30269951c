"""REGAIN and GHOST: return the nick of an account from another connection to its owner."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, Final

from netd.listeners.chat.room import presence
from netd.listeners.chat.room.account_rules import Violation
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands import reunion
from netd.listeners.chat.room.commands.base import Command, Steps
from netd.listeners.chat.room.commands.registration import change_nick
from netd.listeners.chat.room.numeric import Numeric
from netd.protocols.irc import fold

Outcome = Generator[Any, Any, Violation | None]
"""The steps of a command, which return why it was refused."""
_NOT_OWN: Final = Violation("INVALID_TARGET", "The nick does not belong to your account")
_NO_ACCOUNT: Final = Violation(
    "ACCOUNT_REQUIRED", "You must log in to the account of the nick first"
)
_NOT_HERE: Final = Violation("NO_SUCH_NICK", "No other member has the nick")


def regain_nick(context: CommandContext, nick: str) -> Outcome:
    """Give the sender the nick of its account.

    It joins the member that has the nick, if that is logged in to the account too; another member
    is disconnected.
    """
    account = context.sender.account
    if not account or fold(nick) != fold(account):
        return _not_own(context)
    holder = context.room.members.get(fold(nick))
    if holder is not None and holder is not context.sender:
        if reunion.may_join(context, holder):
            yield from reunion.join(context, holder)
            return None
        presence.disconnect_member(context, holder, _reason(context))
    change_nick(context, nick)
    return None


def end_holder(context: CommandContext, nick: str) -> Violation | None:
    """Disconnect a member that has the nick of the sender's account, or is logged in to it."""
    account = context.sender.account
    holder = context.room.members.get(fold(nick)) if nick else None
    is_own = fold(account) in (fold(nick), fold(holder.account) if holder is not None else "")
    if not account or holder is context.sender or not is_own:
        return _not_own(context)
    if holder is None:
        return _NOT_HERE
    presence.disconnect_member(context, holder, _reason(context))
    return None


def regain(context: CommandContext, params: Sequence[str]) -> Steps:
    """Take the nick of the sender's account, or join the member of the account that has it."""
    nick = params[0] if params and params[0] else context.sender.account
    violation = yield from regain_nick(context, nick)
    if violation is not None:
        _fail(context, violation, nick)


def ghost(context: CommandContext, params: Sequence[str]) -> None:
    """Disconnect a member that has the nick of the sender's account, or is logged in to it."""
    nick = params[0] if params and params[0] else context.sender.account
    violation = end_holder(context, nick)
    if violation is None:
        context.reply_command("NOTICE", context.sender.nick, f"{nick} has been disconnected")
    elif violation is _NOT_HERE:
        context.reply(Numeric.NOSUCHNICK, nick)
    else:
        _fail(context, violation, nick)


def _fail(context: CommandContext, violation: Violation, nick: str) -> None:
    named = [nick or "*"] if violation is _NOT_OWN else []
    context.fail(violation.code, *named, violation.text)


def _not_own(context: CommandContext) -> Violation:
    return _NOT_OWN if context.sender.account else _NO_ACCOUNT


def _reason(context: CommandContext) -> str:
    return f"Replaced by {context.sender.nick}, the owner of the nick"


COMMANDS = {
    "REGAIN": Command(regain, "[<nick>]"),
    "GHOST": Command(ghost, "[<nick>]"),
}
