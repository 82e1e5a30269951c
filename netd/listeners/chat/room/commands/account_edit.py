"""Carries out the changes that an administrator has made in the database."""

from __future__ import annotations

from netd.listeners.chat.room.account_changes import EraseAccount, StoreAccount
from netd.listeners.chat.room.account_edits import AccountEdit, EditKind
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands import account_store
from netd.protocols.irc import fold


def carry_out(context: CommandContext, edit: AccountEdit) -> None:
    """Change an account, and end what its members may not do any more."""
    accounts, folded = context.room.accounts, fold(edit.name)
    after = edit.apply(accounts.stored(folded))
    accounts.restore(folded, after)
    context.store(EraseAccount(folded) if after is None else StoreAccount(after))
    context.report(f"the account {edit.name} is {edit.kind.value}")
    if folded in accounts.configured:
        return
    if edit.kind is EditKind.SUSPEND:
        account_store.disconnect_all(context, edit.name, edit.value)
    elif edit.kind in (EditKind.DROP, EditKind.ERASE):
        account_store.log_out_all(context, edit.name)
