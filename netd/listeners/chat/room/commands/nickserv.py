"""NickServ: accounts for clients that have no SASL and no REGISTER, by messages to a nick.

A thin layer over the functions that the IRCv3 commands use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from netd.listeners.chat.room.account_rules import check_password
from netd.listeners.chat.room.accounts import MAX_FINGERPRINTS, RegisteredAccount
from netd.listeners.chat.room.client_state import CheckOutcome, CheckPurpose
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands import account_store, attach, login, nick_owner
from netd.listeners.chat.room.commands.base import Command, Steps
from netd.listeners.chat.room.commands.nickserv_oper import OPER_COMMANDS
from netd.listeners.chat.room.commands.server import format_date
from netd.listeners.chat.room.commands.service import ServiceCommand, help_, run, say
from netd.listeners.chat.room.settings import RegistrationSettings
from netd.protocols.irc import fold
from netd.protocols.password import Verdict

_SWITCHES = {"ON": True, "TRUE": True, "OFF": False, "FALSE": False, "DEFAULT": None}
_SHOWN = {None: "the server's default", True: "on", False: "off"}
_CONFIGURED = "Your account is part of the server's configuration, which its administrator changes"
_TRY_AGAIN = "Too many passwords wait to be checked, try again later"


def receive(context: CommandContext, text: str) -> Steps | None:
    """Handle a message to NickServ."""
    if text.startswith("\x01"):
        return None  # CTCP
    return run(context, SERVICE_COMMANDS, text.split())


def nickserv(context: CommandContext, params: Sequence[str]) -> Steps | None:
    """Handle a command that stands for a message to NickServ."""
    return receive(context, " ".join(params))


def _help(context: CommandContext, words: Sequence[str]) -> None:
    help_(context, SERVICE_COMMANDS, words)


# Registration and login.


def _register(context: CommandContext, words: Sequence[str]) -> None:
    password, email = (*words, "")[:2]
    name = context.sender.nick
    if context.sender.account:
        say(context, f"You are logged in to the account {context.sender.account}")
        return
    violation = account_store.check_registration(context, name, password, email)
    if violation is not None:
        say(context, violation.text)
    else:
        account_store.make_keys(context, CheckPurpose.NICKSERV_REGISTER, name, password, email)


def on_registered(context: CommandContext, outcome: CheckOutcome) -> Steps:
    """Store the account whose keys were made, and log the client in."""
    violation = yield from account_store.register(context, outcome)
    if violation is not None:
        say(context, violation.text)
        return
    account = context.room.accounts.find(outcome.check.name)
    if account is not None and not context.sender.account:
        login.log_in(context, account)
    say(context, f"The account {outcome.check.name} is registered")


def _identify(context: CommandContext, words: Sequence[str]) -> None:
    name, password = words[:2] if len(words) > 1 else (context.sender.nick, words[0])
    stored = login.stored_password(context, fold(name))
    if fold(name) == fold(context.sender.account):
        say(context, f"You are logged in to the account {context.sender.account}")
    elif not stored:
        _refuse(context)
    else:
        context.verify(CheckPurpose.IDENTIFY, password, stored, name)


def on_identified(context: CommandContext, outcome: CheckOutcome) -> None:
    """Log the client in, or refuse it."""
    if outcome.verdict is Verdict.UNCHECKED:
        say(context, _TRY_AGAIN)
        return
    account = context.room.accounts.find(outcome.check.name)
    if outcome.verdict is Verdict.WRONG or account is None:
        _refuse(context)
    elif context.room.accounts.is_suspended(account.name):
        say(context, f"The account {account.name} is suspended")
    elif not attach.may_log_in(context, account.name):
        say(context, f"Other clients share your nick, with the account {context.sender.account}")
    else:
        login.log_in(context, account)
        say(context, f"You are now logged in to the account {account.name}")
        if fold(account.name) != context.sender.folded:
            say(context, "REGAIN gives you the nick of the account")


def _refuse(context: CommandContext) -> None:
    say(context, "There is no such account, or its password is another one")
    login.count_failure(context)


# The nick of the account.


def _ghost(context: CommandContext, words: Sequence[str]) -> None:
    nick = words[0] if words else context.sender.account
    violation = nick_owner.end_holder(context, nick)
    say(context, violation.text if violation is not None else f"{nick} has been disconnected")


def _regain(context: CommandContext, words: Sequence[str]) -> Steps:
    nick = words[0] if words else context.sender.account
    violation = yield from nick_owner.regain_nick(context, nick)
    say(context, violation.text if violation is not None else f"You have the nick {nick}")


# Changes of the account.


def _set(context: CommandContext, words: Sequence[str]) -> Steps | None:
    option, values = words[0].upper(), words[1:]
    if option == "PASSWORD" and len(values) == len(("current", "new")):
        _set_password(context, *values)
    elif option == "PASSWORD":
        say(context, "Syntax: SET PASSWORD <current password> <new password>")
    elif option in _SET_SWITCH and len(values) == 1 and values[0].upper() in _SWITCHES:
        return _SET_SWITCH[option](context, _SWITCHES[values[0].upper()])
    else:
        say(context, f"Syntax: SET {_SET_SYNTAX}")
    return None


def _set_password(context: CommandContext, current: str, new: str) -> None:
    account = _own(context)
    if account is None:
        say(context, _CONFIGURED)
        return
    settings = context.room.settings.registration or RegistrationSettings()
    violation = check_password(new, account.name, settings)
    if violation is not None:
        say(context, violation.text)
    else:
        purpose = CheckPurpose.SET
        context.verify(purpose, current, account.password, account.name, detail=new)


def on_current_password(context: CommandContext, outcome: CheckOutcome) -> None:
    """Make the keys of the new password, if the current one was right."""
    if _is_right(context, outcome):
        name, new = outcome.check.name, outcome.check.detail
        account_store.make_keys(context, CheckPurpose.NEW_KEYS, name, new)


def on_new_password(context: CommandContext, outcome: CheckOutcome) -> Steps:
    """Store the keys of the new password."""
    account = _own(context)
    if outcome.verdict is not Verdict.RIGHT or account is None:
        say(context, _TRY_AGAIN)
        return
    yield from _store(context, replace(account, password=outcome.result), "The password is changed")


def _is_right(context: CommandContext, outcome: CheckOutcome) -> bool:
    if outcome.verdict is Verdict.UNCHECKED:
        say(context, _TRY_AGAIN)
    elif outcome.verdict is Verdict.WRONG:
        _refuse(context)
    return outcome.verdict is Verdict.RIGHT


def _set_always_on(context: CommandContext, value: bool | None) -> Steps:  # noqa: FBT001 (a value)
    changed = replace(_stored(context), always_on=value)
    yield from _store(context, changed, f"Always-on is {_SHOWN[value]}")


def _set_multiclient(context: CommandContext, value: bool | None) -> Steps:  # noqa: FBT001 (a value)
    is_single = value is False
    text = "needs a nick of its own" if is_single else "shares your nick"
    changed = replace(_stored(context), is_single=is_single)
    yield from _store(context, changed, f"A further client that logs in to your account {text}")


def _stored(context: CommandContext) -> RegisteredAccount:
    """The stored state of the sender's account, which can be one of the configuration."""
    name = context.sender.account
    return context.room.accounts.stored(fold(name)) or account_store.name_only(name)


_SET_SWITCH = {"ALWAYS-ON": _set_always_on, "MULTICLIENT": _set_multiclient}
_SET_SYNTAX = "PASSWORD <current> <new> | ALWAYS-ON ON|OFF|DEFAULT | MULTICLIENT ON|OFF"


def _drop(context: CommandContext, words: Sequence[str]) -> None:
    name, password = words[:2]
    account = _own(context)
    if account is None:
        say(context, _CONFIGURED)
    elif fold(name) != fold(account.name):
        say(context, f"You are logged in to the account {account.name}, not {name}")
    else:
        context.verify(CheckPurpose.DROP, password, account.password, account.name)


def on_drop(context: CommandContext, outcome: CheckOutcome) -> Steps | None:
    """Drop the account, if its password was right."""
    return _drop_now(context) if _is_right(context, outcome) else None


def _drop_now(context: CommandContext) -> Steps:
    account = _own(context)
    if account is None:
        return
    is_dropped = yield from account_store.drop(context, account)
    text = f"The account {account.name} is dropped; its name stays reserved"
    say(context, text if is_dropped else account_store.NOT_STORED.text)


def _cert(context: CommandContext, words: Sequence[str]) -> Steps | None:
    account = _own(context)
    action, fingerprint = words[0].upper(), (*words, "", "")[1].replace(":", "").lower()
    if account is None:
        say(context, _CONFIGURED)
    elif action == "LIST":
        for known in account.fingerprints or ("No certificate logs in to your account",):
            say(context, known)
    elif action == "DEL" and fingerprint in account.fingerprints:
        left = tuple(known for known in account.fingerprints if known != fingerprint)
        return _store(context, replace(account, fingerprints=left), "The certificate is removed")
    elif action == "DEL":
        say(context, "No such certificate logs in to your account; CERT LIST shows all")
    elif action == "ADD":
        return _add_certificate(context, account)
    else:
        say(context, "Syntax: CERT ADD, CERT LIST, or CERT DEL <fingerprint>")
    return None


def _add_certificate(context: CommandContext, account: RegisteredAccount) -> Steps | None:
    """Add the certificate of this connection: its client has shown that it has the key."""
    own = context.client.fingerprint
    if not own:
        say(context, "Your client has shown no certificate; connect with it, then add it")
    elif any(True for _ in context.room.accounts.of_client("", own)):
        say(context, "The certificate logs in to an account already")
    elif len(account.fingerprints) >= MAX_FINGERPRINTS:
        say(context, f"An account has at most {MAX_FINGERPRINTS} certificates")
    else:
        changed = replace(account, fingerprints=(*account.fingerprints, own))
        return _store(context, changed, "The certificate logs in to your account from now on")
    return None


def _store(context: CommandContext, account: RegisteredAccount, text: str) -> Steps:
    is_stored = yield from account_store.store(context, account)
    say(context, text if is_stored else account_store.NOT_STORED.text)


def _own(context: CommandContext) -> RegisteredAccount | None:
    """The registered account of the sender; None if it is one of the configuration."""
    return context.room.accounts.find_registered(context.sender.account)


def _info(context: CommandContext, words: Sequence[str]) -> None:
    name = words[0] if words else context.sender.account or context.sender.nick
    account = context.room.accounts.find(name)
    if account is None:
        say(context, f"There is no account {name[:60]}")
        return
    registered = context.room.accounts.find_registered(name)
    if registered is None:
        say(context, f"{account.name} is an account of the server's configuration")
        return
    say(context, f"{account.name} was registered {format_date(registered.registered_at)}")
    if context.sender.oper or fold(name) == fold(context.sender.account):
        _show_details(context, registered)


def _show_details(context: CommandContext, account: RegisteredAccount) -> None:
    say(context, f"E-mail: {account.email or 'none'}")
    say(context, f"Certificates: {len(account.fingerprints)}")
    say(context, f"Always-on: {_SHOWN[account.always_on]}")
    say(context, f"Several clients with your nick: {_SHOWN[not account.is_single]}")
    if account.suspended:
        say(context, f"Suspended: {account.suspended}")


SERVICE_COMMANDS: dict[str, ServiceCommand] = {
    "HELP": ServiceCommand(_help, "[<command>]", "explains the commands"),
    "REGISTER": ServiceCommand(
        _register, "<password> [<e-mail>]", "registers an account with the name of your nick", 1
    ),
    "IDENTIFY": ServiceCommand(_identify, "[<account>] <password>", "logs you in to an account", 1),
    "INFO": ServiceCommand(_info, "[<account>]", "shows an account"),
    "GHOST": ServiceCommand(
        _ghost, "[<nick>]", "disconnects the client that has your nick", needs_account=True
    ),
    "REGAIN": ServiceCommand(
        _regain, "[<nick>]", "takes your nick from the client that has it", needs_account=True
    ),
    "SET": ServiceCommand(
        _set,
        _SET_SYNTAX,
        "changes your account",
        1,
        needs_account=True,
    ),
    "CERT": ServiceCommand(
        _cert,
        "ADD | LIST | DEL <fingerprint>",
        "changes the TLS certificates that log in to your account",
        1,
        needs_account=True,
    ),
    "DROP": ServiceCommand(
        _drop, "<account> <password>", "drops your account for ever", 2, needs_account=True
    ),
    **OPER_COMMANDS,
}
_ALIASES = {"ID": "IDENTIFY", "LOGIN": "IDENTIFY", "RECOVER": "REGAIN", "RELEASE": "REGAIN"}
SERVICE_COMMANDS.update({alias: SERVICE_COMMANDS[name] for alias, name in _ALIASES.items()})

COMMANDS = {
    "NICKSERV": Command(nickserv, "<command of NickServ>"),
    "NS": Command(nickserv, "<command of NickServ>"),
}
