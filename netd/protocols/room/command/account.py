"""Saying who one is: SASL (IRCv3 sasl-3.2) with PLAIN and EXTERNAL."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from functools import partial

from netd.protocols.irc import fold
from netd.protocols.room.capability import Cap
from netd.protocols.room.command.base import Command, Phase
from netd.protocols.room.effect import Verify
from netd.protocols.room.exchange import Exchange
from netd.protocols.room.member import Member, Pending, Stage
from netd.protocols.room.news import tell_peers
from netd.protocols.room.numeric import Numeric

_CHUNK_CHARS = 400
_MAX_CHARS = 4000


def mechanisms(member: Member) -> list[str]:
    """The SASL mechanisms a member can use: EXTERNAL where the system vouches for it."""
    return ["PLAIN", "EXTERNAL"] if member.local_user else ["PLAIN"]


def authenticate(exchange: Exchange, params: Sequence[str]) -> None:
    """Choose a mechanism, then give what it asks for, in chunks of 400 characters."""
    member = exchange.member
    login, said = member.login, params[0]
    if not member.has(Cap.SASL):
        exchange.reply(Numeric.SASLFAIL)
    elif said == "*":
        _end(member)
        exchange.reply(Numeric.SASLABORTED)
    elif member.account and member.stage is Stage.REGISTERING:
        exchange.reply(Numeric.SASLALREADY)
    elif not login.mechanism:
        _choose(exchange, said.upper())
    elif len(said) > _CHUNK_CHARS:
        _end(member)
        exchange.reply(Numeric.SASLTOOLONG)
    elif len(login.data) > _MAX_CHARS:
        _end(member)
        exchange.reply(Numeric.SASLFAIL)
    else:
        login.data += "" if said == "+" else said
        if len(said) < _CHUNK_CHARS:
            _finish(exchange)


def _choose(exchange: Exchange, mechanism: str) -> None:
    offered = mechanisms(exchange.member)
    if mechanism not in offered:
        exchange.reply(Numeric.SASLMECHS, ",".join(offered))
        exchange.reply(Numeric.SASLFAIL)
        return
    exchange.member.login.mechanism = mechanism
    exchange.tell("AUTHENTICATE", "+")


def _end(member: Member) -> None:
    member.login.mechanism = member.login.data = ""


def _finish(exchange: Exchange) -> None:
    member = exchange.member
    mechanism, data = member.login.mechanism, member.login.data
    _end(member)
    try:
        text = base64.b64decode(data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        exchange.reply(Numeric.SASLFAIL)
        return
    if mechanism == "EXTERNAL":
        _log_in(exchange, member.local_user if text in ("", member.local_user) else "")
    else:
        _plain(exchange, text)


def _plain(exchange: Exchange, text: str) -> None:
    """RFC 4616: authorization identity, NUL, authentication identity, NUL, password."""
    authorization, _, rest = text.partition("\0")
    name, separator, password = rest.partition("\0")
    accounts = exchange.room.settings.accounts
    account = accounts.get(fold(name))
    if not separator or fold(authorization or name) != fold(name):
        exchange.reply(Numeric.SASLFAIL)
        return
    stored = account.password if account else ""
    exchange.member.pending = Pending(partial(_checked, name), exchange.label)
    exchange.effects.append(Verify(exchange.member, password, stored))


def _checked(name: str, exchange: Exchange, right: bool) -> None:  # noqa: FBT001 (Pending calls it)
    account = exchange.room.settings.accounts.get(fold(name))
    _log_in(exchange, account.name if right and account else "")


def _log_in(exchange: Exchange, account: str) -> None:
    member = exchange.member
    if not account:
        exchange.reply(Numeric.SASLFAIL)
        return
    changed, member.account = member.account != account, account
    member.markers = exchange.room.markers.setdefault(fold(account), member.markers)
    exchange.reply(Numeric.LOGGEDIN, member.prefix, account, f"You are now logged in as {account}")
    exchange.reply(Numeric.SASLSUCCESS)
    if changed and member.stage is Stage.PRESENT:
        message = exchange.from_member("ACCOUNT", account)
        tell_peers(exchange, message, Cap.ACCOUNT_NOTIFY)
        if member.has(Cap.ACCOUNT_NOTIFY):
            exchange.post(member, message)


COMMANDS = {
    "AUTHENTICATE": Command(authenticate, "<mechanism>|<data>|*", params=1, phase=Phase.ANY)
}
