"""The server's operators: OPER, KILL, WALLOPS, REHASH."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from netd.listeners.chat.room import presence
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands.base import Command, refuse_login
from netd.listeners.chat.room.commands.membership import find_present
from netd.listeners.chat.room.effect import Rehash, Verify
from netd.listeners.chat.room.member import Pending
from netd.listeners.chat.room.numeric import Numeric
from netd.protocols.irc import Message


def oper(context: CommandContext, params: Sequence[str]) -> None:
    """Become an operator."""
    name, password = params[:2]
    opers = context.room.settings.opers
    # Nobody's password is checked as long as somebody's, so that names cannot be told apart.
    stored = opers.get(name, next(iter(opers.values()), ""))
    if not stored:
        refuse_login(context, Numeric.PASSWDMISMATCH)
        return
    member = context.member
    member.pending = Pending(partial(_checked, name), context.label)
    context.effects.append(Verify(member, password, stored))


def _checked(name: str, context: CommandContext, right: bool) -> None:  # noqa: FBT001 (Pending calls it)
    member = context.member
    if not right or name not in context.room.settings.opers:
        refuse_login(context, Numeric.PASSWDMISMATCH)
        return
    member.oper = name
    member.modes.add("o")
    context.reply(Numeric.YOUREOPER)
    context.answer(Message("MODE", (member.nick, "+o"), context.room.settings.server_name))


def kill(context: CommandContext, params: Sequence[str]) -> None:
    """Put somebody out of the server."""
    victim = find_present(context, params[0])
    if victim is None:
        return
    reason = f"Killed ({context.member.nick} ({params[1]}))"
    context.send((victim,), context.from_member("KILL", victim.nick, params[1]))
    presence.depart(context, victim, reason)
    if victim is context.member:
        context.finish()
    context.close(victim, reason)


def wallops(context: CommandContext, params: Sequence[str]) -> None:
    """Say something to everybody who set +w."""
    listening = [each for each in context.room.members.values() if "w" in each.modes]
    context.send(listening, context.from_member("WALLOPS", params[0]))


def rehash(context: CommandContext, _params: Sequence[str]) -> None:
    """Read the configuration again; the outcome comes as a notice."""
    context.reply(Numeric.REHASHING, "netd.toml")
    context.effects.append(Rehash(context.member))


COMMANDS = {
    "OPER": Command(oper, "<name> <password>", params=2),
    "KILL": Command(kill, "<nick> :<reason>", params=2, for_opers=True),
    "WALLOPS": Command(wallops, ":<text>", params=1, for_opers=True),
    "REHASH": Command(rehash, "", for_opers=True),
}
