"""Saying who one is: SASL (IRCv3 sasl-3.2) with PLAIN and EXTERNAL."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import partial

from netd.protocols.irc import fold
from netd.protocols.room.capability import Cap
from netd.protocols.room.command.base import Command, Phase, refuse_login
from netd.protocols.room.effect import Verify
from netd.protocols.room.exchange import Exchange
from netd.protocols.room.member import Member, Pending, Stage
from netd.protocols.room.news import tell_peers
from netd.protocols.room.numeric import Numeric
from netd.protocols.room.setting import Account

_CHUNK_CHARS = 400
_MAX_CHARS = 4000


def mechanisms(exchange: Exchange) -> list[str]:
    """The SASL mechanisms the sender can use: EXTERNAL where the system or TLS vouches for it."""
    accounts = exchange.room.settings.accounts.values()
    has_passwords = any(each.password for each in accounts)
    is_vouched_for = exchange.member.local_user or exchange.member.fingerprint()
    return ["PLAIN"] * has_passwords + ["EXTERNAL"] * bool(is_vouched_for)


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
    offered = mechanisms(exchange)
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
    except ValueError:  # not ASCII, not base64, or not UTF-8
        exchange.reply(Numeric.SASLFAIL)
        return
    if mechanism == "EXTERNAL":
        _external(exchange, text)
    else:
        _plain(exchange, text)


def _external(exchange: Exchange, wanted: str) -> None:
    """RFC 4422 appendix A: an authorization identity, or nothing."""
    own = _own_accounts(exchange)
    fitting = (each for each in own if not wanted or fold(each.name) == fold(wanted))
    _log_in(exchange, next(fitting, None))


def _own_accounts(exchange: Exchange) -> list[Account]:
    """The accounts that are the sender's by its certificate or its user on this machine.

    A user of this machine without an account has one of its own name, unless that is taken.
    """
    member, accounts = exchange.member, exchange.room.settings.accounts
    user, fingerprint = member.local_user, member.fingerprint()
    own = [
        each
        for each in accounts.values()
        if (user and each.local_user == user) or fingerprint in each.fingerprints
    ]
    if not own and user and fold(user) not in accounts:
        own.append(Account(user))
    return own


def _plain(exchange: Exchange, text: str) -> None:
    """RFC 4616: authorization identity, NUL, authentication identity, NUL, password."""
    authorization, _, rest = text.partition("\0")
    name, separator, password = rest.partition("\0")
    accounts = exchange.room.settings.accounts
    account = accounts.get(fold(name))
    # Nobody's password is checked as long as somebody's, so that names cannot be told apart.
    stored = next((each.password for each in accounts.values() if each.password), "")
    if account is not None:
        stored = account.password
    if not separator or not stored or fold(authorization or name) != fold(name):
        refuse_login(exchange, Numeric.SASLFAIL)
        return
    exchange.member.pending = Pending(partial(_checked, name), exchange.label)
    exchange.effects.append(Verify(exchange.member, password, stored))


def _checked(name: str, exchange: Exchange, right: bool) -> None:  # noqa: FBT001 (Pending calls it)
    account = exchange.room.settings.accounts.get(fold(name))
    _log_in(exchange, account if right else None)


def _log_in(exchange: Exchange, account: Account | None) -> None:
    member = exchange.member
    if account is None:
        refuse_login(exchange, Numeric.SASLFAIL)
        return
    name = account.name
    before, member.account = member.account, name
    changed, unclaimed = before != name, {} if before else member.markers
    member.markers = exchange.room.markers.setdefault(fold(name), unclaimed)
    exchange.reply(Numeric.LOGGEDIN, member.prefix, name, f"You are now logged in as {name}")
    exchange.reply(Numeric.SASLSUCCESS)
    if changed and member.stage is Stage.PRESENT:
        _announce(exchange, Cap.ACCOUNT_NOTIFY, "ACCOUNT", name)
    _show_host(exchange, account.host or member.address)


def _show_host(exchange: Exchange, host: str) -> None:
    """Be seen at another host from now on (IRCv3 chghost)."""
    member = exchange.member
    if host == member.host:
        return
    if member.stage is Stage.PRESENT:
        _announce(exchange, Cap.CHGHOST, "CHGHOST", member.user, host)
    member.host = host
    if member.nick:
        member.name(member.nick)
    exchange.reply(Numeric.VISIBLEHOST, host)


def _announce(exchange: Exchange, cap: Cap, command: str, *params: str) -> None:
    """Tell those who see the sender, and itself."""
    message = exchange.from_member(command, *params)
    tell_peers(exchange, message, cap)
    if exchange.member.has(cap):
        exchange.post(exchange.member, message)


COMMANDS = {
    "AUTHENTICATE": Command(authenticate, "<mechanism>|<data>|*", params=1, phase=Phase.ANY)
}
