"""The accounts that users have registered; those of the configuration are not in the database."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from netd.listeners.chat.room.account_changes import (
    EraseAccount,
    FindAccount,
    LoadAccounts,
    LoadSecret,
    StoreAccount,
    StoreSecret,
)
from netd.listeners.chat.room.accounts import RegisteredAccount
from netd.listeners.chat.storage.table import Table, each
from netd.protocols.irc import fold
from netd.protocols.saved_record import load_record, save_record

_COLUMNS = ("name", "password", "registered_at")


def _store(connection: sqlite3.Connection, change: StoreAccount) -> None:
    account = change.account
    settings = {k: v for k, v in save_record(account).items() if k not in _COLUMNS}
    connection.execute(
        "INSERT OR REPLACE INTO account (name, shown_name, password, registered_at, settings)"
        " VALUES (?, ?, ?, ?, ?)",
        (
            *(fold(account.name), account.name, account.password, account.registered_at),
            json.dumps(settings),
        ),
    )


def _erase(connection: sqlite3.Connection, change: EraseAccount) -> None:
    connection.execute("DELETE FROM account WHERE name = ?", (change.name,))


def _store_secret(connection: sqlite3.Connection, change: StoreSecret) -> None:
    connection.execute("INSERT OR REPLACE INTO secret (id, value) VALUES (1, ?)", (change.secret,))


def _find(connection: sqlite3.Connection, query: FindAccount) -> RegisteredAccount | None:
    row = connection.execute(f"{_SELECT} WHERE name = ?", (query.name,)).fetchone()
    return None if row is None else _read(row)


def _load(connection: sqlite3.Connection, _query: LoadAccounts) -> tuple[RegisteredAccount, ...]:
    return tuple(_read(row) for row in connection.execute(f"{_SELECT} ORDER BY registered_at"))


def _load_secret(connection: sqlite3.Connection, _query: LoadSecret) -> str:
    row = connection.execute("SELECT value FROM secret").fetchone()
    return "" if row is None else str(row[0])


def _read(row: Any) -> RegisteredAccount:  # noqa: ANN401 (a row of any types)
    name, password, registered_at, settings = row
    columns = {"name": name, "password": password, "registered_at": registered_at}
    return load_record(RegisteredAccount, {**json.loads(settings), **columns})


_SELECT = "SELECT shown_name, password, registered_at, settings FROM account"

TABLE = Table(
    """
    CREATE TABLE account (
        name TEXT PRIMARY KEY,        -- folded
        shown_name TEXT NOT NULL,     -- as it was registered
        password TEXT NOT NULL,       -- the keys of SCRAM, as `netd passwd --scram` prints them
        registered_at REAL NOT NULL,  -- seconds since the epoch
        settings TEXT NOT NULL DEFAULT '{}'  -- JSON
    ) WITHOUT ROWID;
    CREATE TABLE secret (             -- one row
        id INTEGER PRIMARY KEY,
        value TEXT NOT NULL           -- what the salts of unknown names are made of
    );
    """,
    writes={
        StoreAccount: each(_store),
        EraseAccount: each(_erase),
        StoreSecret: each(_store_secret),
    },
    reads={FindAccount: _find, LoadAccounts: _load, LoadSecret: _load_secret},
)
