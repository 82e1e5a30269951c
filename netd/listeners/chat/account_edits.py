"""Lets the room carry out what an administrator has changed in the database (`netd account`)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from netd.listeners.chat.channel_store import ChannelStore
from netd.listeners.chat.room.account_edits import LoadAccountEdits, RemoveAccountEdits
from netd.listeners.chat.room.effect import Effect
from netd.listeners.chat.room.room import Room


class AccountEdits:
    """Looks for changes in the database now and then."""

    def __init__(
        self, store: ChannelStore, room: Room, apply: Callable[[Iterable[Effect]], object]
    ) -> None:
        self._store = store
        self._room = room
        self._apply = apply
        self._is_asking = False

    def check(self) -> None:
        """Look for changes, if the accounts are in the database and it can be read."""
        accounts = self._room.state.accounts
        if accounts.is_open and self._store.has_file and not self._is_asking:
            self._is_asking = True
            self._store.ask(LoadAccountEdits(), self._on_edits)

    def _on_edits(self, found: object) -> None:
        self._is_asking = False
        if isinstance(found, tuple) and found:
            self._apply(self._room.edit_accounts(found, time.time()))
            self._store.write(RemoveAccountEdits(found[-1].number))
