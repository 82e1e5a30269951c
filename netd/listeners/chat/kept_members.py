"""Writes the members that are always on to the database, soon after each of their changes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from netd.errors import LocalProtocolError
from netd.listeners.chat.room import kept_member
from netd.listeners.chat.room.kept_member import SetKeptMember, format_member, key_of
from netd.listeners.chat.room.member import Member
from netd.listeners.chat.room.room import Room
from netd.listeners.chat.room.state import RoomState
from netd.protocols.irc import fold

if TYPE_CHECKING:
    from netd.listeners.chat.storage.database import Database

_log = logging.getLogger("netd")


class KeptMembers:
    """Compares the members with what was written."""

    def __init__(self, room: Room, write: Callable[[SetKeptMember], object]) -> None:
        self._room = room
        self._write = write
        self._written: dict[str, tuple[object, ...]] = {}  # by folded account
        self._is_over = False

    def forget(self) -> None:
        """Write all members again: the file may lack them."""
        self._written.clear()

    def check(self) -> Iterator[None]:
        """Write the members that have changed, one after the other."""
        state = self._room.state
        present: set[str] = set()
        for member in state.registered_members():
            if self._is_over:
                return
            if member.is_registered and member.account and state.is_always_on(member):
                present.add(fold(member.account))
                self._check(member)
                yield
        for account in [account for account in self._written if account not in present]:
            del self._written[account]
            self._write(SetKeptMember(account, ""))
            yield

    def finish(self) -> None:
        """Write what has changed, before the members leave because the service ends."""
        for _ in self.check():
            pass
        self._is_over = True

    def _check(self, member: Member) -> None:
        account, key = fold(member.account), key_of(self._room.state, member)
        if self._written.get(account) != key:
            self._written[account] = key
            self._write(SetKeptMember(account, format_member(self._room.state, member)))


def restore_people(room: RoomState, database: Database) -> None:
    """Add the stored read marks, and the members that are always on, to a new room."""
    for account, target, at in database.load(kept_member.ReadMarks()) or ():
        room.read_markers.setdefault(account, {})[target] = at
    for text in database.load(kept_member.KeptMembers()) or ():
        try:
            kept_member.restore_member(room, text, time.time())
        except LocalProtocolError as error:
            _log.warning("chat: %s: %s", database.path, error)
