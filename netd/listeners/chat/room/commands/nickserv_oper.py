"""The commands of NickServ for the server's operators: they change the accounts of others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from netd.listeners.chat.room.account_rules import check_password
from netd.listeners.chat.room.accounts import RegisteredAccount
from netd.listeners.chat.room.client_state import CheckOutcome, CheckPurpose
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands import account_store
from netd.listeners.chat.room.commands.base import Steps
from netd.listeners.chat.room.commands.service import ServiceCommand, say
from netd.listeners.chat.room.mask import matches
from netd.listeners.chat.room.settings import RegistrationSettings
from netd.listeners.chat.room.storage import Asking
from netd.protocols.irc import fold, is_nick
from netd.protocols.password import Verdict

_MAX_LISTED = 100
_MAX_REASON_CHARS = 100
_LIST_WORK = 20  # for the comparison with a mask


def _settings(context: CommandContext) -> RegistrationSettings:
    return context.room.settings.registration or RegistrationSettings()


def _saregister(context: CommandContext, words: Sequence[str]) -> None:
    name, password = words[:2]
    violation = account_store.check_new(context, name, password, _settings(context))
    if not is_nick(name, context.room.settings.limits.nick_chars):
        say(context, "The name of an account has the form of a nick")
    elif violation is not None:
        say(context, violation.text)
    else:
        account_store.make_keys(context, CheckPurpose.SAREGISTER, name, password)


def on_registered(context: CommandContext, outcome: CheckOutcome) -> Steps:
    """Store the account whose keys were made."""
    violation = yield from account_store.register(context, outcome)
    name = outcome.check.name
    if violation is None:
        _report(context, f"registered the account {name}")
    say(context, violation.text if violation is not None else f"The account {name} is registered")


def _saset(context: CommandContext, words: Sequence[str]) -> None:
    name, option, password = words[:3]
    account = _find(context, name)
    if account is None:
        return
    violation = check_password(password, name, _settings(context))
    if option.upper() != "PASSWORD":
        say(context, "Syntax: SASET <account> PASSWORD <password>")
    elif violation is not None:
        say(context, violation.text)
    else:
        account_store.make_keys(context, CheckPurpose.SASET, account.name, password)


def on_new_password(context: CommandContext, outcome: CheckOutcome) -> Steps:
    """Store the keys of the new password."""
    name, keys = outcome.check.name, outcome.result
    if outcome.verdict is not Verdict.RIGHT:
        say(context, account_store.BUSY.text)
        return

    def change(account: RegisteredAccount) -> Asking[bool]:
        return account_store.store(context, replace(account, password=keys))

    did = "changed the password of"
    yield from _change(context, name, change, did, "The password of {} is changed")


def _change(
    context: CommandContext,
    name: str,
    change: Callable[[RegisteredAccount], Asking[bool]],
    did: str,
    text: str,
) -> Steps:
    """Change an account, log that, and reply."""
    account = _find(context, name)
    if account is None:
        return
    is_stored = yield from change(account)
    if is_stored:
        _report(context, f"{did} the account {account.name}")
    say(context, text.format(account.name) if is_stored else account_store.NOT_STORED.text)


def _suspend(context: CommandContext, words: Sequence[str]) -> Steps:
    reason = " ".join(words[1:])[:_MAX_REASON_CHARS] or "no reason given"

    def change(account: RegisteredAccount) -> Asking[bool]:
        return account_store.suspend(context, account, reason)

    yield from _change(context, words[0], change, "suspended", "The account {} is suspended")


def _unsuspend(context: CommandContext, words: Sequence[str]) -> Steps:
    def change(account: RegisteredAccount) -> Asking[bool]:
        return account_store.store(context, replace(account, suspended=""))

    text = "The account {} is not suspended any more"
    yield from _change(context, words[0], change, "ended the suspension of", text)


def _sadrop(context: CommandContext, words: Sequence[str]) -> Steps:
    def change(account: RegisteredAccount) -> Asking[bool]:
        return account_store.drop(context, account)

    text = "The account {} is dropped; ERASE makes its name free"
    yield from _change(context, words[0], change, "dropped", text)


def _erase(context: CommandContext, words: Sequence[str]) -> None:
    """Free the name of a dropped account, or of one that the configuration had."""
    name = words[0]
    stored = context.room.accounts.stored(fold(name))
    if fold(name) in context.room.accounts.configured or stored is None:
        say(context, f"No reserved name {name[:60]} is stored")
    elif not stored.is_dropped:
        say(context, f"The account {stored.name} is in use; SADROP drops it")
    else:
        account_store.erase(context, name)
        _report(context, f"erased the account {stored.name}")
        say(context, f"The name {stored.name} can be registered again")


def _list(context: CommandContext, words: Sequence[str]) -> Steps:
    mask = words[0] if words else "*"
    shown = found = 0
    for account in list(context.room.accounts.registered()):
        context.work += _LIST_WORK
        if account.registered_at and matches(mask, account.name):
            found += 1
            if shown < _MAX_LISTED:
                shown += 1
                say(context, f"  {account.name}{_state(account)}")
        yield None
    say(context, f"{found} accounts" + (f", of which {shown} are shown" * (shown < found)))


def _state(account: RegisteredAccount) -> str:
    if account.is_dropped:
        return " (dropped)"
    return " (suspended)" if account.suspended else ""


def _find(context: CommandContext, name: str) -> RegisteredAccount | None:
    account = context.room.accounts.find_registered(name)
    if account is None:
        say(context, f"No user has registered an account {name[:60]}")
    return account


def _report(context: CommandContext, what: str) -> None:
    context.report(f"operator {context.sender.oper} {what}")


OPER_COMMANDS = {
    "SAREGISTER": ServiceCommand(
        _saregister, "<account> <password>", "registers an account for a user", 2, for_opers=True
    ),
    "SASET": ServiceCommand(
        _saset,
        "<account> PASSWORD <password>",
        "changes the password of a user",
        3,
        for_opers=True,
    ),
    "SADROP": ServiceCommand(_sadrop, "<account>", "drops an account", 1, for_opers=True),
    "SUSPEND": ServiceCommand(
        _suspend,
        "<account> [<reason>]",
        "disconnects the members of an account, which cannot be logged in to any more",
        1,
        for_opers=True,
    ),
    "UNSUSPEND": ServiceCommand(
        _unsuspend, "<account>", "ends the suspension of an account", 1, for_opers=True
    ),
    "ERASE": ServiceCommand(
        _erase, "<account>", "makes the name of a dropped account free", 1, for_opers=True
    ),
    "LIST": ServiceCommand(_list, "[<mask>]", "lists registered accounts", for_opers=True),
}
