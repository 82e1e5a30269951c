"""Shows and changes the registered accounts of a chat in its database (`netd account`)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace

from netd.errors import NetdError
from netd.listeners.chat.credentials_file import CredentialsFiles
from netd.listeners.chat.options import ChatOptions
from netd.listeners.chat.room.account_changes import (
    EraseAccount,
    FindAccount,
    LoadAccounts,
    StoreAccount,
)
from netd.listeners.chat.room.account_edits import AccountEdit, AddAccountEdit, EditKind
from netd.listeners.chat.room.account_rules import check_name, check_password
from netd.listeners.chat.room.accounts import RegisteredAccount
from netd.listeners.chat.room.settings import RegistrationSettings
from netd.listeners.chat.room_settings import settings_of
from netd.listeners.chat.state_file import state_path
from netd.listeners.chat.storage.offline import OfflineTransaction, transaction
from netd.protocols.irc import fold
from netd.protocols.scram_keys import derive_keys

_SALT_BYTES = 16
_NEEDS_PASSWORD = (EditKind.ADD, EditKind.PASSWORD)


class AccountError(NetdError):
    """An account cannot be changed as requested."""


class AccountManager:
    """The accounts of one listener."""

    def __init__(self, options: ChatOptions, directory: str) -> None:
        """`directory` is that of systemd's `StateDirectory=`, if this process is not the daemon.

        Raises AccountError if the listener keeps no accounts; ConfigError for a bad file.
        """
        self._path = state_path(options, directory)
        if not self._path:
            raise AccountError("the listener has no database; set history_file")
        uncloaked = replace(options, cloak=False)  # so that no key is made
        self._settings = settings_of(uncloaked, CredentialsFiles(uncloaked))

    def list(self) -> Iterator[str]:
        """Yield a line for each account."""
        if not os.path.exists(self._path):
            return
        with transaction(self._path) as file:
            accounts = file.ask(LoadAccounts())
        for account in sorted(accounts, key=lambda account: fold(account.name)):
            if account.registered_at:
                yield _line(account)

    def check(self, kind: EditKind, name: str) -> None:
        """Raise AccountError if an account cannot be changed so."""
        if os.path.exists(self._path):
            with transaction(self._path) as file:
                self._check(file, kind, name)
        elif kind is not EditKind.ADD:
            raise AccountError(f"there is no account {name}")

    def edit(self, kind: EditKind, name: str, value: str = "") -> str:
        """Change an account; return what was done. `value` is a password or a reason.

        A running chat takes note of the change within some seconds.
        """
        if kind in _NEEDS_PASSWORD:
            registration = self._settings.registration or RegistrationSettings()
            violation = check_password(value, name, registration)
            if violation is not None:
                raise AccountError(violation.text)
            value = str(derive_keys(value, os.urandom(_SALT_BYTES)))
        with transaction(self._path) as file:
            before = self._check(file, kind, name)
            edit = AccountEdit(kind, before.name if before else name, value, time.time())
            after = edit.apply(before)
            change = EraseAccount(fold(name)) if after is None else StoreAccount(after)
            file.write([change, AddAccountEdit(edit)])
        return f"the account {edit.name} is {kind.value}"

    def _check(
        self, file: OfflineTransaction, kind: EditKind, name: str
    ) -> RegisteredAccount | None:
        """The stored state of an account that can be changed so."""
        stored = file.ask(FindAccount(fold(name)))
        if fold(name) in self._settings.accounts:
            raise AccountError(f"{name} is an account of the configuration; change it there")
        if kind is EditKind.ADD:
            self._check_new(stored, name)
        elif stored is None or (stored.is_dropped and kind is not EditKind.ERASE):
            raise AccountError(f"there is no account {name}")
        elif kind is EditKind.ERASE and not stored.is_dropped:
            raise AccountError(f"the account {stored.name} is in use; drop it first")
        return stored

    def _check_new(self, stored: RegisteredAccount | None, name: str) -> None:
        violation = check_name(name, self._settings)
        if violation is not None:
            raise AccountError(violation.text)
        if stored is not None:
            advice = "; erase makes it free" if stored.is_dropped else ""
            raise AccountError(f"the name {stored.name} is taken{advice}")


def _line(account: RegisteredAccount) -> str:
    date = time.strftime("%Y-%m-%d", time.gmtime(account.registered_at))
    if account.is_dropped:
        state = "dropped"
    else:
        state = f"suspended: {account.suspended}" if account.suspended else "active"
    return "  ".join(part for part in (f"{account.name:<20}", date, state, account.email) if part)
