"""AUTHENTICATE: logging in by SASL (IRCv3 sasl-3.2), with PLAIN and EXTERNAL."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from netd.listeners.chat.room import presence
from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.client_state import CheckPurpose, ClientState
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands.base import Command, Phase
from netd.listeners.chat.room.member import Client
from netd.listeners.chat.room.numeric import Numeric
from netd.listeners.chat.room.settings import Account
from netd.protocols.irc import fold, is_nick
from netd.protocols.password import Verdict, decoy

_CHUNK_CHARS = 400
_MAX_CHARS = 4000
_MAX_ACCOUNT_CHARS = 64  # of the user of a route


def mechanisms(context: CommandContext) -> list[str]:
    """The SASL mechanisms that the client can use.

    EXTERNAL needs a client certificate, a Unix socket, which names the system user, or the user of
    an HTTP route.
    """
    accounts = context.room.settings.accounts.values()
    has_passwords = any(account.password for account in accounts)
    client = context.client
    has_external = client.local_user or client.fingerprint or client.web_user
    return ["PLAIN"] * has_passwords + ["EXTERNAL"] * bool(has_external)


def refuse_login(context: CommandContext, numeric: Numeric) -> None:
    """Reply to a wrong name or password. A client that keeps guessing is disconnected."""
    context.reply(numeric)
    context.client.failed_logins += 1
    if context.client.failed_logins >= context.room.settings.limits.failed_logins:
        presence.disconnect_client(context, "Too many failed logins")


def authenticate(context: CommandContext, params: Sequence[str]) -> None:
    """Choose a mechanism, or continue the exchange with a chunk of at most 400 characters."""
    client = context.client
    sasl, word = client.sasl, params[0]
    if not client.has(Cap.SASL):
        context.reply(Numeric.SASLFAIL)
    elif word == "*":
        _end_exchange(client)
        context.reply(Numeric.SASLABORTED)
    elif client.member.account and client.state is ClientState.REGISTERING:
        context.reply(Numeric.SASLALREADY)
    elif not sasl.mechanism:
        _choose_mechanism(context, word.upper())
    elif len(word) > _CHUNK_CHARS:
        _end_exchange(client)
        context.reply(Numeric.SASLTOOLONG)
    elif len(sasl.data) > _MAX_CHARS:
        _end_exchange(client)
        context.reply(Numeric.SASLFAIL)
    else:
        sasl.data += "" if word == "+" else word
        if len(word) < _CHUNK_CHARS:
            _finish_exchange(context)


def _choose_mechanism(context: CommandContext, mechanism: str) -> None:
    offered = mechanisms(context)
    if mechanism not in offered:
        context.reply(Numeric.SASLMECHS, ",".join(offered))
        context.reply(Numeric.SASLFAIL)
        return
    context.client.sasl.mechanism = mechanism
    context.reply_command("AUTHENTICATE", "+")


def _end_exchange(client: Client) -> None:
    client.sasl.mechanism = client.sasl.data = ""


def _finish_exchange(context: CommandContext) -> None:
    client = context.client
    mechanism, data = client.sasl.mechanism, client.sasl.data
    _end_exchange(client)
    try:
        text = base64.b64decode(data, validate=True).decode()
    except ValueError:  # not ASCII, not base64, or not UTF-8
        context.reply(Numeric.SASLFAIL)
        return
    if mechanism == "EXTERNAL":
        _external(context, text)
    else:
        _plain(context, text)


def _external(context: CommandContext, authorization: str) -> None:
    """RFC 4422 appendix A: an authorization identity, or nothing."""
    own = own_accounts(context)
    wanted = fold(authorization)
    matching = (account for account in own if not wanted or fold(account.name) == wanted)
    _log_in(context, next(matching, None))


def own_accounts(context: CommandContext) -> list[Account]:
    """The accounts that belong to the client's certificate, system user or user of a route.

    A system user without an account has one with its own name, unless that name is taken. The
    account of a route's user has its name.
    """
    client, accounts = context.client, context.room.settings.accounts
    user, fingerprint = client.local_user, client.fingerprint
    own = [
        account
        for account in accounts.values()
        if (user and account.local_user == user) or fingerprint in account.fingerprints
    ]
    if not own and user and fold(user) not in accounts:
        own.append(Account(user))
    if is_nick(client.web_user, _MAX_ACCOUNT_CHARS):
        own.append(accounts.get(fold(client.web_user)) or Account(client.web_user))
    return own


def _plain(context: CommandContext, text: str) -> None:
    """RFC 4616: authorization identity, NUL, authentication identity, NUL, password."""
    authorization, _, rest = text.partition("\0")
    name, separator, password = rest.partition("\0")
    stored = _stored_password(context, fold(name))
    if not separator or not stored or fold(authorization or name) != fold(name):
        refuse_login(context, Numeric.SASLFAIL)
        return
    context.verify(CheckPurpose.SASL, password, stored, name)


def _stored_password(context: CommandContext, folded: str) -> str:
    """The password of an account; for a name without one a decoy, or "" if there is no password."""
    accounts = context.room.settings.accounts
    if folded in accounts and accounts[folded].password:
        return accounts[folded].password
    return decoy(folded, (known.password for known in accounts.values()))


def on_password_verified(context: CommandContext, name: str, verdict: Verdict) -> None:
    """Log the sender in, or refuse it."""
    if verdict is Verdict.UNCHECKED:
        context.reply(Numeric.TRYAGAIN, "AUTHENTICATE")
        context.reply(Numeric.SASLFAIL)
        return
    account = context.room.settings.accounts.get(fold(name))
    _log_in(context, account if verdict is Verdict.RIGHT else None)


def _log_in(context: CommandContext, account: Account | None) -> None:
    member = context.sender
    if account is None:
        refuse_login(context, Numeric.SASLFAIL)
        return
    name = account.name
    before, member.account = member.account, name
    own_markers = {} if before else member.read_markers  # keep the markers set before the login
    member.read_markers = context.room.read_markers.setdefault(fold(name), own_markers)
    context.reply(Numeric.LOGGEDIN, member.prefix, name, f"You are now logged in as {name}")
    context.reply(Numeric.SASLSUCCESS)
    if before != name and member.is_registered:
        _announce(context, Cap.ACCOUNT_NOTIFY, "ACCOUNT", name)
    _set_shown_host(context, account.host or context.room.shown_host(member.address))
    for channel in context.room.channels_of(member):
        presence.restore_status(context, channel)
        if channel.members[member]:
            context.save(channel)  # the account can be recognized after a restart


def _set_shown_host(context: CommandContext, host: str) -> None:
    """Change the host that other members see (IRCv3 chghost)."""
    member = context.sender
    if host == member.host:
        return
    if member.is_registered:
        _announce(context, Cap.CHGHOST, "CHGHOST", member.user, host)
    member.host = host
    member.update_prefix()
    context.reply(Numeric.VISIBLEHOST, host)


def _announce(context: CommandContext, cap: Cap, command: str, *params: str) -> None:
    """Send a change of the sender to its peers and to its own clients."""
    message = context.message_from_sender(command, *params)
    presence.notify_peers(context, message, cap)
    for client in context.sender.clients:
        if client.has(cap):
            context.send_unlabeled(client, message)


COMMANDS = {
    "AUTHENTICATE": Command(authenticate, "<mechanism>|<data>|*", params=1, phase=Phase.ANY)
}
