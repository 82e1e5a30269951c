"""The changes of accounts that a running chat is to carry out: their table."""

from __future__ import annotations

import sqlite3

from netd.listeners.chat.room.account_edits import (
    AccountEdit,
    AddAccountEdit,
    EditKind,
    LoadAccountEdits,
    RemoveAccountEdits,
)
from netd.listeners.chat.storage.table import Table, each

_LOAD = "SELECT kind, name, value, at, number FROM account_edit ORDER BY number"


def _add(connection: sqlite3.Connection, change: AddAccountEdit) -> None:
    edit = change.edit
    connection.execute(
        "INSERT INTO account_edit (kind, name, value, at) VALUES (?, ?, ?, ?)",
        (edit.kind.name, edit.name, edit.value, edit.at),
    )


def _remove(connection: sqlite3.Connection, change: RemoveAccountEdits) -> None:
    connection.execute("DELETE FROM account_edit WHERE number <= ?", (change.until,))


def _load(connection: sqlite3.Connection, _query: LoadAccountEdits) -> tuple[AccountEdit, ...]:
    rows = connection.execute(_LOAD).fetchall()
    return tuple(AccountEdit(EditKind[kind], *rest) for kind, *rest in rows)


TABLE = Table(
    """
    CREATE TABLE account_edit (
        number INTEGER PRIMARY KEY AUTOINCREMENT,  -- no number comes again
        kind TEXT NOT NULL,
        name TEXT NOT NULL,   -- of the account
        value TEXT NOT NULL,  -- the keys of a password, or the reason of a suspension
        at REAL NOT NULL      -- seconds since the epoch
    );
    """,
    writes={AddAccountEdit: each(_add), RemoveAccountEdits: each(_remove)},
    reads={LoadAccountEdits: _load},
)
