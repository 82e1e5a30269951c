"""The accounts of a room: those of the configuration, and those that users have registered.

An account of the configuration takes precedence over a registered one of the same name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from netd.listeners.chat.room.client_state import ClientState
from netd.listeners.chat.room.member import Client
from netd.listeners.chat.room.settings import Account
from netd.protocols.irc import fold
from netd.protocols.scram_keys import is_scram

MAX_FINGERPRINTS: Final = 8
"""The certificates that a user may add to an account."""


@dataclass(frozen=True, slots=True)
class RegisteredAccount:
    """An account that is stored in the database, in all of its states."""

    name: str
    password: str = ""  # SCRAM keys; empty if the name is only reserved
    registered_at: float = 0.0  # 0 for the name of an account of the configuration
    email: str = ""
    fingerprints: tuple[str, ...] = ()
    always_on: bool | None = None  # None: as the listener has it
    is_single: bool = False  # every client needs a nick of its own
    suspended: str = ""  # the reason; empty if it is not suspended
    is_dropped: bool = False  # its name stays reserved

    @property
    def account(self) -> Account:
        """The account as members log in to it."""
        return Account(self.name, self.password, frozenset(self.fingerprints))


class Accounts:
    """The accounts, by their folded names."""

    def __init__(self, configured: Mapping[str, Account]) -> None:
        self.configured = configured
        self.is_open = False
        """Whether the registered accounts are known, so that accounts can be registered."""
        self.registering: dict[str, Client] = {}  # the clients whose keys are being made, by name
        self._registered: dict[str, RegisteredAccount] = {}
        self._by_fingerprint: dict[str, dict[str, None]] = {}  # folded names
        self._by_users = 0  # those of `_registered` that users have registered

    def load(self, accounts: Iterable[RegisteredAccount]) -> None:
        """Take stored accounts, in place of all that are registered."""
        self._registered.clear()
        self._by_fingerprint.clear()
        self._by_users = 0
        self.is_open = True
        for account in accounts:
            self.put(account)

    def put(self, account: RegisteredAccount) -> None:
        """Add a registered account, or replace it."""
        folded = fold(account.name)
        self.remove(folded)
        self._registered[folded] = account
        self._by_users += bool(account.registered_at)
        for fingerprint in account.fingerprints:
            self._by_fingerprint.setdefault(fingerprint, {})[folded] = None

    def remove(self, folded: str) -> None:
        """Remove a registered account, if there is one."""
        account = self._registered.pop(folded, None)
        if account is None:
            return
        self._by_users -= bool(account.registered_at)
        for fingerprint in account.fingerprints:
            del self._by_fingerprint[fingerprint][folded]
            if not self._by_fingerprint[fingerprint]:
                del self._by_fingerprint[fingerprint]

    def stored(self, folded: str) -> RegisteredAccount | None:
        """The stored state of a name, also if the account is dropped or in the configuration."""
        return self._registered.get(folded)

    def restore(self, folded: str, before: RegisteredAccount | None) -> None:
        """Take back a change, after which the account was to have another state."""
        if before is None:
            self.remove(folded)
        else:
            self.put(before)

    def registered(self) -> Iterator[RegisteredAccount]:
        """All registered accounts, also those that are suspended or dropped."""
        return iter(self._registered.values())

    def find_registered(self, name: str) -> RegisteredAccount | None:
        """The registered account of a name, unless the configuration has one of that name."""
        folded = fold(name)
        account = None if folded in self.configured else self._registered.get(folded)
        return None if account is None or account.is_dropped else account

    def find(self, name: str) -> Account | None:
        """The account of a name, to which a member can log in unless it is suspended."""
        configured = self.configured.get(fold(name))
        if configured is not None:
            return configured
        registered = self.find_registered(name)
        return registered.account if registered is not None else None

    def is_suspended(self, name: str) -> bool:
        """Whether no member may log in to an account."""
        registered = self.find_registered(name)
        return registered is not None and bool(registered.suspended)

    def is_taken(self, name: str) -> bool:
        """Whether a name cannot be registered, since it is or was that of an account."""
        folded = fold(name)
        known = (self.configured, self._registered, self._pending())
        return any(folded in names for names in known)

    def count(self) -> int:
        """The names that users have taken, or are about to take."""
        return self._by_users + len(self._pending())

    def _pending(self) -> dict[str, Client]:
        """The names that are being registered, without those of clients that have left."""
        pending = self.registering.items()
        gone = [folded for folded, client in pending if client.state is ClientState.GONE]
        for folded in gone:
            del self.registering[folded]
        return self.registering

    def of_client(self, local_user: str, fingerprint: str) -> Iterator[Account]:
        """The accounts that belong to a client's certificate or system user."""
        for account in self.configured.values():
            is_user = local_user and account.local_user == local_user
            if is_user or fingerprint in account.fingerprints:
                yield account
        for folded in self._by_fingerprint.get(fingerprint, ()):
            registered = self.find_registered(folded)
            if registered is not None:
                yield registered.account

    def passwords(self) -> list[str]:
        """Stored passwords, which decoys resemble; one stands for all of registered accounts."""
        found = [account.password for account in self.configured.values() if account.password]
        registered = (account.password for account in self._registered.values())
        sample = next((password for password in registered if password), "")
        return [*found, sample] if sample else found

    def scram_passwords(self) -> list[str]:
        """The `passwords` with which a client can log in by SCRAM: keys, or plain text."""
        return [stored for stored in self.passwords() if can_scram(stored)]

    def unreserved(self) -> list[RegisteredAccount]:
        """The records that keep the names of the configuration reserved without it."""
        return [
            RegisteredAccount(account.name, is_dropped=True)
            for folded, account in self.configured.items()
            if folded not in self._registered
        ]


def can_scram(stored: str) -> bool:
    """Whether a client can log in by SCRAM with a stored password."""
    return is_scram(stored) or bool(stored and not stored.startswith("$scrypt$"))


def trace_of(account: RegisteredAccount) -> RegisteredAccount:
    """The record of a dropped account, whose name stays reserved."""
    return RegisteredAccount(account.name, registered_at=account.registered_at, is_dropped=True)
