"""Changes of the registered accounts, which are stored before the user gets a reply."""

from __future__ import annotations

from dataclasses import replace

from netd.listeners.chat.room import presence
from netd.listeners.chat.room.account_changes import EraseAccount, FindAccount, StoreAccount
from netd.listeners.chat.room.account_rules import (
    Violation,
    check_email,
    check_name,
    check_password,
)
from netd.listeners.chat.room.accounts import RegisteredAccount, trace_of
from netd.listeners.chat.room.client_state import CheckOutcome, CheckPurpose, PasswordCheck
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands import login
from netd.listeners.chat.room.settings import RegistrationSettings
from netd.listeners.chat.room.storage import Asking, QueryFailedError, ask
from netd.protocols.irc import fold
from netd.protocols.password import Verdict

_REGISTERS = (CheckPurpose.REGISTER, CheckPurpose.NICKSERV_REGISTER, CheckPurpose.SAREGISTER)
_UNAVAILABLE = "TEMPORARILY_UNAVAILABLE"
NOT_STORED = Violation(_UNAVAILABLE, "The account could not be stored; nothing was changed")
BUSY = Violation(_UNAVAILABLE, "Too many passwords wait to be hashed, try again later")
_CLOSED = Violation("DISALLOWED", "Accounts cannot be registered here")
_UNKNOWN = Violation(_UNAVAILABLE, "The accounts cannot be read at present")
_FULL = Violation(_UNAVAILABLE, "No more accounts can be registered")
_TOO_OFTEN = Violation(_UNAVAILABLE, "Too many accounts were registered from your address")
EXISTS = Violation("ACCOUNT_EXISTS", "The name belongs to an account")
IN_USE = Violation("ACCOUNT_EXISTS", "Another client uses the nick")


def check_registration(
    context: CommandContext, name: str, password: str, email: str
) -> Violation | None:
    """Why the client cannot register an account now; None if it can, which is then counted."""
    room = context.room
    settings, accounts = room.settings.registration, room.accounts
    if settings is None:
        return _CLOSED
    violation = check_new(context, name, password, settings)
    if violation is None:
        violation = check_email(email, settings)
    if violation is not None:
        return violation
    if accounts.count() >= settings.max_accounts:
        return _FULL
    if not room.registrations.admits(context.client.address, context.now, settings):
        return _TOO_OFTEN
    return None


def check_new(
    context: CommandContext, name: str, password: str, settings: RegistrationSettings
) -> Violation | None:
    """Why there can be no new account of a name with a password."""
    accounts = context.room.accounts
    if not accounts.is_open:
        return _UNKNOWN
    if accounts.is_taken(name):
        return EXISTS
    violation = check_name(name, context.room.settings)
    return violation or check_password(password, name, settings)


def make_keys(
    context: CommandContext, purpose: CheckPurpose, name: str, password: str, detail: str = ""
) -> None:
    """Make the keys of a password, for a new account or an existing one."""
    if purpose in _REGISTERS:
        context.room.accounts.registering[fold(name)] = context.client
    context.make_keys(purpose, password, name, detail)


def name_only(name: str) -> RegisteredAccount:
    """The stored state of an account that is in the configuration."""
    return RegisteredAccount(name, is_dropped=True)


def register(context: CommandContext, outcome: CheckOutcome) -> Asking[Violation | None]:
    """Store a new account whose keys were made; return why it cannot be stored."""
    accounts, name = context.room.accounts, outcome.check.name
    accounts.registering.pop(fold(name), None)
    if outcome.verdict is not Verdict.RIGHT:
        return BUSY
    if _is_added(context, outcome):
        return None
    if accounts.is_taken(name):  # in the configuration, since a reload
        return EXISTS
    account = RegisteredAccount(name, outcome.result, context.now, email_of(outcome.check))
    if not (yield from store(context, account)):
        return NOT_STORED
    context.report(f"{context.client.address or 'a local user'} registered the account {name}")
    return None


def email_of(check: PasswordCheck) -> str:
    """The e-mail address that a user has given; empty for none."""
    return "" if check.detail == "*" else check.detail


def _is_added(context: CommandContext, outcome: CheckOutcome) -> bool:
    """Whether all of several hosts have added the account of a client that is no member yet.

    It has its keys then, and no keys are made twice.
    """
    if context.room.entrants is None or context.client.is_registered:
        return False
    stored = context.room.accounts.find_registered(outcome.check.name)
    return stored is not None and stored.password == outcome.result


def store(context: CommandContext, account: RegisteredAccount) -> Asking[bool]:
    """Store an account in a new state; return whether the database has it.

    Otherwise the earlier state is in effect again. A client that leaves meanwhile gets no reply;
    the new state then stays.
    """
    accounts, folded = context.room.accounts, fold(account.name)
    before = accounts.stored(folded)
    accounts.put(account)
    context.store(StoreAccount(account))
    if context.room.entrants is not None:
        return True  # the log has it
    try:
        yield from ask(FindAccount(folded))
    except QueryFailedError:
        if accounts.stored(folded) is account:
            accounts.restore(folded, before)
            context.store(EraseAccount(folded) if before is None else StoreAccount(before))
        return False
    return True


def drop(context: CommandContext, account: RegisteredAccount) -> Asking[bool]:
    """Drop an account, of which only the name is kept, and log out its members."""
    if not (yield from store(context, trace_of(account))):
        return False
    log_out_all(context, account.name)
    return True


def log_out_all(context: CommandContext, name: str) -> None:
    """Log out the members of an account that does not exist any more, and forget what it had."""
    for member in login.members_of(context, name):
        login.log_out(context, member)
    context.room.read_markers.pop(fold(name), None)
    context.room.private_histories.pop(fold(name), None)


def suspend(context: CommandContext, account: RegisteredAccount, reason: str) -> Asking[bool]:
    """Suspend an account, and disconnect its members."""
    if not (yield from store(context, replace(account, suspended=reason))):
        return False
    disconnect_all(context, account.name, reason)
    return True


def disconnect_all(context: CommandContext, name: str, reason: str) -> None:
    """Disconnect the members of an account that is suspended."""
    for member in login.members_of(context, name):
        presence.disconnect_member(context, member, f"The account is suspended ({reason})")


def erase(context: CommandContext, name: str) -> None:
    """Remove all that is stored of an account, so that its name can be registered again."""
    context.room.accounts.remove(fold(name))
    context.store(EraseAccount(fold(name)))
