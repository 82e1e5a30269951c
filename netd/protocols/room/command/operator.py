"""The server's operators: OPER, KILL, WALLOPS, REHASH."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from netd.protocols.irc import Message
from netd.protocols.room import presence
from netd.protocols.room.command.base import Command, refuse_login
from netd.protocols.room.command.channel import find_present
from netd.protocols.room.effect import Rehash, Verify
from netd.protocols.room.exchange import Exchange
from netd.protocols.room.member import Pending
from netd.protocols.room.numeric import Numeric


def oper(exchange: Exchange, params: Sequence[str]) -> None:
    """Become an operator."""
    name, password = params[:2]
    opers = exchange.room.settings.opers
    # Nobody's password is checked as long as somebody's, so that names cannot be told apart.
    stored = opers.get(name, next(iter(opers.values()), ""))
    if not stored:
        refuse_login(exchange, Numeric.PASSWDMISMATCH)
        return
    member = exchange.member
    member.pending = Pending(partial(_checked, name), exchange.label)
    exchange.effects.append(Verify(member, password, stored))


def _checked(name: str, exchange: Exchange, right: bool) -> None:  # noqa: FBT001 (Pending calls it)
    member = exchange.member
    if not right or name not in exchange.room.settings.opers:
        refuse_login(exchange, Numeric.PASSWDMISMATCH)
        return
    member.oper = name
    member.modes.add("o")
    exchange.reply(Numeric.YOUREOPER)
    exchange.answer(Message("MODE", (member.nick, "+o"), exchange.room.settings.server_name))


def kill(exchange: Exchange, params: Sequence[str]) -> None:
    """Put somebody out of the server."""
    victim = find_present(exchange, params[0])
    if victim is None:
        return
    reason = f"Killed ({exchange.member.nick} ({params[1]}))"
    exchange.send((victim,), exchange.from_member("KILL", victim.nick, params[1]))
    presence.depart(exchange, victim, reason)
    if victim is exchange.member:
        exchange.finish()
    exchange.close(victim, reason)


def wallops(exchange: Exchange, params: Sequence[str]) -> None:
    """Say something to everybody who set +w."""
    listening = [each for each in exchange.room.members.values() if "w" in each.modes]
    exchange.send(listening, exchange.from_member("WALLOPS", params[0]))


def rehash(exchange: Exchange, _params: Sequence[str]) -> None:
    """Read the configuration again; the outcome comes as a notice."""
    exchange.reply(Numeric.REHASHING, "netd.toml")
    exchange.effects.append(Rehash(exchange.member))


COMMANDS = {
    "OPER": Command(oper, "<name> <password>", params=2),
    "KILL": Command(kill, "<nick> :<reason>", params=2, for_opers=True),
    "WALLOPS": Command(wallops, ":<text>", params=1, for_opers=True),
    "REHASH": Command(rehash, "", for_opers=True),
}
