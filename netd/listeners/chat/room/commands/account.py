"""AUTHENTICATE: logging in by SASL (IRCv3 sasl-3.2), with PLAIN, EXTERNAL and SCRAM."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace

from netd.listeners.chat.room.accounts import can_scram
from netd.listeners.chat.room.client_state import (
    NO_SASL,
    CheckOutcome,
    CheckPurpose,
    ClientState,
    SaslExchange,
)
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands import login, scram_login
from netd.listeners.chat.room.commands.base import Command, Phase
from netd.listeners.chat.room.member import Client
from netd.listeners.chat.room.numeric import Numeric
from netd.protocols.irc import fold
from netd.protocols.password import Verdict

_CHUNK_CHARS = 400
_MAX_CHARS = 4000


def mechanisms(context: CommandContext) -> list[str]:
    """The SASL mechanisms that the client can use.

    EXTERNAL needs a client certificate, a Unix socket, which names the system user, or the user of
    an HTTP route.
    """
    stored = context.room.accounts.passwords()
    can_register = context.room.settings.registration is not None
    client = context.client
    has_external = bool(client.local_user or client.fingerprint or client.web_user)
    has_scram = can_register or any(map(can_scram, stored))
    if context.room.entrants is not None and client.is_registered:
        has_external = has_scram = False  # a host alone must not change an account
    return [
        *["PLAIN"] * (can_register or bool(stored)),
        *["EXTERNAL"] * has_external,
        *["SCRAM-SHA-256"] * has_scram,
    ]


def authenticate(context: CommandContext, params: Sequence[str]) -> None:
    """Choose a mechanism, or continue the exchange with a chunk of at most 400 characters."""
    client = context.client
    sasl, word = client.sasl, params[0]
    if not mechanisms(context):
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
        client.sasl = replace(sasl, data=sasl.data + ("" if word == "+" else word))
        if len(word) < _CHUNK_CHARS:
            _take_message(context)


def _choose_mechanism(context: CommandContext, mechanism: str) -> None:
    offered = mechanisms(context)
    if mechanism not in offered:
        context.reply(Numeric.SASLMECHS, ",".join(offered))
        context.reply(Numeric.SASLFAIL)
        return
    context.client.sasl = SaslExchange(mechanism)
    context.reply_command("AUTHENTICATE", "+")


def _end_exchange(client: Client) -> None:
    client.sasl = NO_SASL


def _take_message(context: CommandContext) -> None:
    """Take a whole message, the only one unless the mechanism is SCRAM."""
    sasl = context.client.sasl
    _end_exchange(context.client)
    try:
        text = base64.b64decode(sasl.data, validate=True).decode()
    except ValueError:  # not ASCII, not base64, or not UTF-8
        context.reply(Numeric.SASLFAIL)
        return
    match sasl.mechanism:
        case "EXTERNAL":
            _external(context, text)
        case "PLAIN":
            _plain(context, text)
        case _:
            scram_login.take_message(context, sasl, text)


def _external(context: CommandContext, authorization: str) -> None:
    """RFC 4422 appendix A: an authorization identity, or nothing."""
    own = login.own_accounts(context)
    wanted = fold(authorization)
    matching = (account for account in own if not wanted or fold(account.name) == wanted)
    login.complete_sasl(context, next(matching, None))


def _plain(context: CommandContext, text: str) -> None:
    """RFC 4616: authorization identity, NUL, authentication identity, NUL, password."""
    authorization, _, rest = text.partition("\0")
    name, separator, password = rest.partition("\0")
    stored = login.stored_password(context, fold(name))
    if not separator or not stored or fold(authorization or name) != fold(name):
        login.refuse_login(context, Numeric.SASLFAIL)
        return
    context.verify(CheckPurpose.SASL, password, stored, name)


def on_password_verified(context: CommandContext, outcome: CheckOutcome) -> None:
    """Log the sender in, or refuse it."""
    if outcome.verdict is Verdict.UNCHECKED:
        login.refuse_unchecked(context)
        return
    account = context.room.accounts.find(outcome.check.name)
    login.complete_sasl(context, account if outcome.verdict is Verdict.RIGHT else None)


COMMANDS = {
    "AUTHENTICATE": Command(authenticate, "<mechanism>|<data>|*", params=1, phase=Phase.ANY)
}
