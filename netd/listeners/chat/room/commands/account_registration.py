"""REGISTER and VERIFY: users register accounts (IRCv3 draft account-registration)."""

from __future__ import annotations

from collections.abc import Sequence

from netd.listeners.chat.room.account_rules import Violation
from netd.listeners.chat.room.client_state import CheckOutcome, CheckPurpose
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands import account_store, login
from netd.listeners.chat.room.commands.base import Command, Phase, Steps
from netd.listeners.chat.room.settings import RoomSettings
from netd.protocols.irc import fold

_NO_CONNECTION = Violation("COMPLETE_CONNECTION_REQUIRED", "Complete your registration first")
_LOGGED_IN = Violation("ALREADY_AUTHENTICATED", "You are logged in to an account")
_NO_NICK = Violation("NEED_NICK", "Choose a nick first, which becomes the name of the account")
_OTHER_NAME = Violation("ACCOUNT_NAME_MUST_BE_NICK", "The account has the name of your nick")
_NO_CODE = Violation("INVALID_CODE", "No account waits for a code")


def capability_value(settings: RoomSettings) -> str:
    """The value of the capability draft/account-registration."""
    registration = settings.registration
    if registration is None:
        return ""
    words = ["before-connect"] * _is_early(settings)
    return ",".join([*words, *["email-required"] * registration.requires_email])


def _is_early(settings: RoomSettings) -> bool:
    """Whether a client can register an account before it is a member.

    Not if there is a server password: the account would replace it.
    """
    registration = settings.registration
    return registration is not None and registration.before_connect and not settings.password


def register(context: CommandContext, params: Sequence[str]) -> None:
    """Register an account with the name of the client's nick."""
    wanted, email, password = params[:3]
    client, sender = context.client, context.sender
    nick = sender.nick or client.registration.refused_nick
    name = nick if wanted == "*" else wanted
    violation = _check_client(context, nick, name)
    if violation is None:
        violation = account_store.check_registration(context, name, password, email)
    if violation is not None:
        _fail(context, violation, name)
    else:
        account_store.make_keys(context, CheckPurpose.REGISTER, name, password, email)


def _check_client(context: CommandContext, nick: str, name: str) -> Violation | None:
    if not context.client.is_registered and not _is_early(context.room.settings):
        return _NO_CONNECTION
    if context.sender.account:
        return _LOGGED_IN
    if not nick:
        return _NO_NICK
    if fold(name) != fold(nick):
        return _OTHER_NAME
    holder = context.room.members.get(fold(nick))
    may_be_free = context.room.entrants is not None and not context.client.is_registered
    is_own = holder is context.sender or (holder is None and may_be_free)
    return None if is_own else account_store.IN_USE


def on_keys_made(context: CommandContext, outcome: CheckOutcome) -> Steps:
    """Store the account, and log the client in."""
    context.command, name = "REGISTER", outcome.check.name
    violation = yield from account_store.register(context, outcome)
    if violation is not None:
        _fail(context, violation, name)
        return
    context.reply_command("REGISTER", "SUCCESS", name, "The account is registered")
    account = context.room.accounts.find(name)
    if account is not None:
        login.log_in(context, account)


def verify(context: CommandContext, params: Sequence[str]) -> None:
    """Refuse a code: no account needs one."""
    _fail(context, _LOGGED_IN if context.sender.account else _NO_CODE, params[0])


def _fail(context: CommandContext, violation: Violation, name: str) -> None:
    context.fail(violation.code, name or "*", violation.text)


COMMANDS = {
    "REGISTER": Command(register, "<account>|* <e-mail>|* <password>", params=3, phase=Phase.ANY),
    "VERIFY": Command(verify, "<account> <code>", params=2, phase=Phase.ANY),
}
