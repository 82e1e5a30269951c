"""What an administrator changes in an account."""

from __future__ import annotations

import pytest

from netd.listeners.chat.room.account_edits import AccountEdit, EditKind
from netd.listeners.chat.room.accounts import RegisteredAccount

BOB = RegisteredAccount("Bob", "keys", 1.0, "b@x.org")
GONE = RegisteredAccount("Bob", registered_at=1.0, is_dropped=True)


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        (EditKind.ADD, None, RegisteredAccount("bob", "new", 2.0)),
        (EditKind.ADD, BOB, BOB),
        (EditKind.PASSWORD, BOB, RegisteredAccount("Bob", "new", 1.0, "b@x.org")),
        (EditKind.SUSPEND, BOB, RegisteredAccount("Bob", "keys", 1.0, "b@x.org", suspended="new")),
        (EditKind.DROP, BOB, GONE),
        (EditKind.ERASE, BOB, BOB),
        (EditKind.ERASE, GONE, None),
        *((kind, GONE, GONE) for kind in EditKind if kind is not EditKind.ERASE),
        *((kind, None, None) for kind in EditKind if kind is not EditKind.ADD),
    ],
)
def test_an_edit(
    kind: EditKind, before: RegisteredAccount | None, after: RegisteredAccount | None
) -> None:
    edit = AccountEdit(kind, "bob", "new", 2.0)
    assert edit.apply(before) == after
    assert edit.apply(after) == after  # done twice
