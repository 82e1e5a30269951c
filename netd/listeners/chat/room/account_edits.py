"""Changes of registered accounts that an administrator makes in the database (`netd account`).

Each one is stored twice, in one transaction: as the new state of the account, and as an edit. A
running chat carries out the edits and removes them. So a change is never lost, whether the chat
runs, starts, or stores its own state of the account at the same time.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from netd.listeners.chat.room.accounts import RegisteredAccount, trace_of
from netd.listeners.chat.room.storage import Change, Query


class EditKind(enum.Enum):
    """An administrator's change of an account."""

    ADD = "added"
    PASSWORD = "given a new password"  # noqa: S105 (a text)
    SUSPEND = "suspended"
    UNSUSPEND = "not suspended any more"
    DROP = "dropped; its name stays reserved"
    ERASE = "erased; its name can be registered again"


@dataclass(frozen=True, slots=True)
class AccountEdit:
    """One change of one account."""

    kind: EditKind
    name: str
    value: str = ""
    """The keys of the password, or the reason of the suspension."""
    at: float = 0.0
    number: int = 0
    """Set by the database: later edits have greater ones."""
    email: str = ""
    """That of an added account, if its user has registered it."""

    def apply(self, before: RegisteredAccount | None) -> RegisteredAccount | None:
        """The state of the account afterwards; None if nothing is stored of it."""
        if self.kind is EditKind.ADD:
            return before or RegisteredAccount(self.name, self.value, self.at, self.email)
        if before is None or before.is_dropped:
            return None if self.kind is EditKind.ERASE else before
        return self._change(before)

    def _change(self, account: RegisteredAccount) -> RegisteredAccount:
        match self.kind:
            case EditKind.PASSWORD:
                return replace(account, password=self.value)
            case EditKind.SUSPEND | EditKind.UNSUSPEND:
                return replace(account, suspended=self.value)
            case EditKind.DROP:
                return trace_of(account)
        return account


@dataclass(frozen=True, slots=True)
class AddAccountEdit(Change):
    """Let a running chat carry out an edit."""

    edit: AccountEdit


@dataclass(frozen=True, slots=True)
class RemoveAccountEdits(Change):
    """Remove the edits that were carried out."""

    until: int
    """The number of the last one."""


@dataclass(frozen=True, slots=True)
class LoadAccountEdits(Query[tuple[AccountEdit, ...]]):
    """All edits that are to be carried out, in order."""

    def awaits(self, change: Change) -> bool:
        return isinstance(change, RemoveAccountEdits)
