"""The changes and queries of the database that concern accounts."""

from __future__ import annotations

from dataclasses import dataclass

from netd.listeners.chat.room.accounts import RegisteredAccount
from netd.listeners.chat.room.storage import Change, Query


@dataclass(frozen=True, slots=True)
class StoreAccount(Change):
    """Store an account in place of an earlier state of it."""

    account: RegisteredAccount


@dataclass(frozen=True, slots=True)
class EraseAccount(Change):
    """Remove an account, whose name may be registered again."""

    name: str


@dataclass(frozen=True, slots=True)
class FindAccount(Query[RegisteredAccount | None]):
    """The stored state of an account."""

    name: str

    def awaits(self, change: Change) -> bool:
        return isinstance(change, (StoreAccount, EraseAccount))


@dataclass(frozen=True, slots=True)
class LoadAccounts(Query[tuple[RegisteredAccount, ...]]):
    """All stored accounts."""


@dataclass(frozen=True, slots=True)
class StoreSecret(Change):
    """Store the secret of the room, of which the salts of unknown names are made."""

    secret: str


@dataclass(frozen=True, slots=True)
class LoadSecret(Query[str]):
    """The secret of the room; "" if none is stored."""
