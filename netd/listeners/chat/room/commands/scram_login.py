"""SCRAM-SHA-256 in SASL (RFC 5802, RFC 7677): the client proves that it knows the password.

An unknown name, and an account whose password is a scrypt hash, get a challenge too: always the
same salt, and a check that takes as long as that of another account.
"""

from __future__ import annotations

import base64
from dataclasses import replace

from netd.errors import RemoteProtocolError
from netd.listeners.chat.room.accounts import can_scram
from netd.listeners.chat.room.client_state import NO_SASL, CheckOutcome, SaslExchange
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands import login
from netd.listeners.chat.room.numeric import Numeric
from netd.protocols.irc import fold
from netd.protocols.password import Verdict, decoy
from netd.protocols.password_work import CheckProof
from netd.protocols.scram import (
    ClientFirst,
    format_server_first,
    parse_client_final,
    parse_client_first,
)
from netd.protocols.scram_keys import ITERATIONS, is_scram, parse_keys

_CHUNK_CHARS = 400


def take_message(context: CommandContext, sasl: SaslExchange, text: str) -> None:
    """Take the next message of an exchange; an invalid one ends it."""
    try:
        if sasl.account:
            login.complete_sasl(context, context.room.accounts.find(sasl.account))
        elif sasl.client_first:
            _check(context, sasl, text)
        else:
            _challenge(context, sasl, text)
    except RemoteProtocolError:
        context.reply(Numeric.SASLFAIL)


def _challenge(context: CommandContext, sasl: SaslExchange, text: str) -> None:
    """Reply to the first message with the salt of the account."""
    first = parse_client_first(text)
    nonce = base64.b64encode(context.room.random_bytes()).decode()
    salt, iterations = _salt(context, fold(first.name))
    challenge = format_server_first(first, nonce, salt, iterations)
    exchange = SaslExchange(sasl.mechanism, "", text, challenge)
    context.client.sasl = exchange
    _send(context, challenge)


def _salt(context: CommandContext, folded: str) -> tuple[bytes, int]:
    stored, is_real = _stored(context, folded)
    made = context.room.secret_bytes(f"salt {folded}")
    if not is_scram(stored):
        return made, ITERATIONS
    keys = parse_keys(stored)
    return (keys.salt if is_real else made), keys.iterations


def _stored(context: CommandContext, folded: str) -> tuple[str, bool]:
    """The password of an account, and True; or a decoy, and False."""
    accounts = context.room.accounts
    account = accounts.find(folded)
    if account is not None and can_scram(account.password):
        return account.password, True
    return decoy(folded, filter(can_scram, accounts.passwords())), False


def _check(context: CommandContext, sasl: SaslExchange, text: str) -> None:
    """Check the proof in the second message."""
    first = parse_client_first(sasl.client_first)
    final = parse_client_final(text, first, sasl.server_first)
    folded = fold(first.name)
    stored, _ = _stored(context, folded)
    if not stored or not _acts_for_itself(first):
        login.refuse_login(context, Numeric.SASLFAIL)
        return
    context.client.sasl = replace(sasl, data="")
    context.check_proof(CheckProof(final, *_salt(context, folded)), stored, first.name)


def _acts_for_itself(first: ClientFirst) -> bool:
    return fold(first.authorization or first.name) == fold(first.name)


def on_proof_checked(context: CommandContext, outcome: CheckOutcome) -> None:
    """Prove to the client that the server knows the password too, or refuse it."""
    sasl, context.client.sasl = context.client.sasl, NO_SASL
    match outcome.verdict:
        case Verdict.UNCHECKED:
            login.refuse_unchecked(context)
        case Verdict.WRONG:
            login.refuse_login(context, Numeric.SASLFAIL)
        case Verdict.RIGHT:
            context.client.sasl = SaslExchange(sasl.mechanism, account=outcome.check.name)
            _send(context, outcome.result)


def _send(context: CommandContext, text: str) -> None:
    """Send a message in chunks of 400 characters (IRCv3 sasl-3.1)."""
    data = base64.b64encode(text.encode()).decode()
    for start in range(0, len(data), _CHUNK_CHARS):
        context.reply_command("AUTHENTICATE", data[start : start + _CHUNK_CHARS])
    if len(data) % _CHUNK_CHARS == 0:
        context.reply_command("AUTHENTICATE", "+")
