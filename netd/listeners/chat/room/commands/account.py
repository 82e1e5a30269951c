"""Saying who one is: SASL (IRCv3 sasl-3.2) with PLAIN and EXTERNAL."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import partial

from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands.base import Command, Phase, refuse_login
from netd.listeners.chat.room.effect import Verify
from netd.listeners.chat.room.member import Member, Pending, Stage
from netd.listeners.chat.room.notify import tell_peers
from netd.listeners.chat.room.numeric import Numeric
from netd.listeners.chat.room.settings import Account
from netd.protocols.irc import fold

_CHUNK_CHARS = 400
_MAX_CHARS = 4000


def mechanisms(context: CommandContext) -> list[str]:
    """The SASL mechanisms the sender can use: EXTERNAL where the system or TLS vouches for it."""
    accounts = context.room.settings.accounts.values()
    has_passwords = any(each.password for each in accounts)
    is_vouched_for = context.member.local_user or context.member.fingerprint()
    return ["PLAIN"] * has_passwords + ["EXTERNAL"] * bool(is_vouched_for)


def authenticate(context: CommandContext, params: Sequence[str]) -> None:
    """Choose a mechanism, then give what it asks for, in chunks of 400 characters."""
    member = context.member
    login, said = member.login, params[0]
    if not member.has(Cap.SASL):
        context.reply(Numeric.SASLFAIL)
    elif said == "*":
        _end(member)
        context.reply(Numeric.SASLABORTED)
    elif member.account and member.stage is Stage.REGISTERING:
        context.reply(Numeric.SASLALREADY)
    elif not login.mechanism:
        _choose(context, said.upper())
    elif len(said) > _CHUNK_CHARS:
        _end(member)
        context.reply(Numeric.SASLTOOLONG)
    elif len(login.data) > _MAX_CHARS:
        _end(member)
        context.reply(Numeric.SASLFAIL)
    else:
        login.data += "" if said == "+" else said
        if len(said) < _CHUNK_CHARS:
            _finish(context)


def _choose(context: CommandContext, mechanism: str) -> None:
    offered = mechanisms(context)
    if mechanism not in offered:
        context.reply(Numeric.SASLMECHS, ",".join(offered))
        context.reply(Numeric.SASLFAIL)
        return
    context.member.login.mechanism = mechanism
    context.tell("AUTHENTICATE", "+")


def _end(member: Member) -> None:
    member.login.mechanism = member.login.data = ""


def _finish(context: CommandContext) -> None:
    member = context.member
    mechanism, data = member.login.mechanism, member.login.data
    _end(member)
    try:
        text = base64.b64decode(data, validate=True).decode()
    except ValueError:  # not ASCII, not base64, or not UTF-8
        context.reply(Numeric.SASLFAIL)
        return
    if mechanism == "EXTERNAL":
        _external(context, text)
    else:
        _plain(context, text)


def _external(context: CommandContext, wanted: str) -> None:
    """RFC 4422 appendix A: an authorization identity, or nothing."""
    own = _own_accounts(context)
    fitting = (each for each in own if not wanted or fold(each.name) == fold(wanted))
    _log_in(context, next(fitting, None))


def _own_accounts(context: CommandContext) -> list[Account]:
    """The accounts that are the sender's by its certificate or its user on this machine.

    A user of this machine without an account has one of its own name, unless that is taken.
    """
    member, accounts = context.member, context.room.settings.accounts
    user, fingerprint = member.local_user, member.fingerprint()
    own = [
        each
        for each in accounts.values()
        if (user and each.local_user == user) or fingerprint in each.fingerprints
    ]
    if not own and user and fold(user) not in accounts:
        own.append(Account(user))
    return own


def _plain(context: CommandContext, text: str) -> None:
    """RFC 4616: authorization identity, NUL, authentication identity, NUL, password."""
    authorization, _, rest = text.partition("\0")
    name, separator, password = rest.partition("\0")
    accounts = context.room.settings.accounts
    account = accounts.get(fold(name))
    # Nobody's password is checked as long as somebody's, so that names cannot be told apart.
    stored = next((each.password for each in accounts.values() if each.password), "")
    if account is not None:
        stored = account.password
    if not separator or not stored or fold(authorization or name) != fold(name):
        refuse_login(context, Numeric.SASLFAIL)
        return
    context.member.pending = Pending(partial(_checked, name), context.label)
    context.effects.append(Verify(context.member, password, stored))


def _checked(name: str, context: CommandContext, right: bool) -> None:  # noqa: FBT001 (Pending calls it)
    account = context.room.settings.accounts.get(fold(name))
    _log_in(context, account if right else None)


def _log_in(context: CommandContext, account: Account | None) -> None:
    member = context.member
    if account is None:
        refuse_login(context, Numeric.SASLFAIL)
        return
    name = account.name
    before, member.account = member.account, name
    changed, unclaimed = before != name, {} if before else member.markers
    member.markers = context.room.markers.setdefault(fold(name), unclaimed)
    context.reply(Numeric.LOGGEDIN, member.prefix, name, f"You are now logged in as {name}")
    context.reply(Numeric.SASLSUCCESS)
    if changed and member.stage is Stage.PRESENT:
        _announce(context, Cap.ACCOUNT_NOTIFY, "ACCOUNT", name)
    _show_host(context, account.host or member.address)


def _show_host(context: CommandContext, host: str) -> None:
    """Be seen at another host from now on (IRCv3 chghost)."""
    member = context.member
    if host == member.host:
        return
    if member.stage is Stage.PRESENT:
        _announce(context, Cap.CHGHOST, "CHGHOST", member.user, host)
    member.host = host
    if member.nick:
        member.name(member.nick)
    context.reply(Numeric.VISIBLEHOST, host)


def _announce(context: CommandContext, cap: Cap, command: str, *params: str) -> None:
    """Tell those who see the sender, and itself."""
    message = context.from_member(command, *params)
    tell_peers(context, message, cap)
    if context.member.has(cap):
        context.post(context.member, message)


COMMANDS = {
    "AUTHENTICATE": Command(authenticate, "<mechanism>|<data>|*", params=1, phase=Phase.ANY)
}
