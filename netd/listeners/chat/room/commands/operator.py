"""Commands of the server's operators: OPER, KILL, WALLOPS, REHASH."""

from __future__ import annotations

from collections.abc import Sequence

from netd.listeners.chat.room import presence
from netd.listeners.chat.room.client_state import CheckOutcome, CheckPurpose
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands.base import Command
from netd.listeners.chat.room.commands.login import refuse_login
from netd.listeners.chat.room.commands.lookup import find_member
from netd.listeners.chat.room.effect import Rehash
from netd.listeners.chat.room.numeric import Numeric
from netd.protocols.password import Verdict, decoy


def oper(context: CommandContext, params: Sequence[str]) -> None:
    """Become an operator."""
    name, password = params[:2]
    opers = context.room.settings.opers
    stored = opers.get(name) or decoy(name, opers.values())
    if stored:
        context.verify(CheckPurpose.OPER, password, stored, name)
    else:
        refuse_login(context, Numeric.PASSWDMISMATCH)


def on_password_verified(context: CommandContext, outcome: CheckOutcome) -> None:
    """Make the sender an operator, or refuse it."""
    sender, name = context.sender, outcome.check.name
    if outcome.verdict is Verdict.UNCHECKED:
        context.reply(Numeric.TRYAGAIN, "OPER")
        return
    if outcome.verdict is Verdict.WRONG or name not in context.room.settings.opers:
        refuse_login(context, Numeric.PASSWDMISMATCH)
        return
    sender.oper = name
    sender.set_mode("o", given=True)
    context.reply(Numeric.YOUREOPER)
    presence.show_mode(context, "o")


def kill(context: CommandContext, params: Sequence[str]) -> None:
    """Remove a member from the server, and close its connections."""
    victim = find_member(context, params[0])
    if victim is None:
        return
    reason = f"Killed ({context.sender.nick} ({params[1]}))"
    context.send_to((victim,), context.message_from_sender("KILL", victim.nick, params[1]))
    presence.disconnect_member(context, victim, reason)


def wallops(context: CommandContext, params: Sequence[str]) -> None:
    """Send a message to all members with the user mode +w."""
    context.work += len(context.room.members) // 4
    receivers = [member for member in context.room.registered_members() if "w" in member.modes]
    context.send_to(receivers, context.message_from_sender("WALLOPS", params[0]))


def rehash(context: CommandContext, _params: Sequence[str]) -> None:
    """Reload the configuration; the outcome is sent as a notice."""
    context.reply(Numeric.REHASHING, "netd.toml")
    context.effects.append(Rehash(context.client))


COMMANDS = {
    "OPER": Command(oper, "<name> <password>", params=2),
    "KILL": Command(kill, "<nick> :<reason>", params=2, for_opers=True),
    "WALLOPS": Command(wallops, ":<text>", params=1, for_opers=True),
    "REHASH": Command(rehash, "", for_opers=True),
}
