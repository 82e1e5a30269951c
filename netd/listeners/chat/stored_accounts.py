"""The registered accounts of a room and its secret, from the database and into it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from netd.listeners.chat.room.account_changes import (
    LoadAccounts,
    LoadSecret,
    StoreAccount,
    StoreSecret,
)
from netd.listeners.chat.room.state import RoomState
from netd.listeners.chat.room.storage import Change

if TYPE_CHECKING:  # SQLite, if needed
    from netd.listeners.chat.storage.database import Database


def load_accounts(room: RoomState, database: Database) -> Iterator[Change]:
    """Take accounts and secret from the database; yield what it lacks.

    If the file cannot be read, the accounts stay unknown.
    """
    accounts = database.load(LoadAccounts())
    secret = database.load(LoadSecret())
    if accounts is not None:
        room.accounts.load(accounts)
    if secret:
        room.secret = secret
    elif accounts is not None:
        yield StoreSecret(room.secret)


def all_of(room: RoomState) -> Iterator[Change]:
    """The changes that make a new database complete."""
    if room.accounts.is_open:
        yield StoreSecret(room.secret)
        for account in room.accounts.registered():
            yield StoreAccount(account)
