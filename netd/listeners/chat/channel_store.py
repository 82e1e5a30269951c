"""Keeps the room over restarts and crashes: states of channels, messages, and what commands store.

The state of every channel is kept, so that after the death of a worker the first client that joins
a channel does not become its operator.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from netd.errors import LocalProtocolError
from netd.listeners.chat.kept_members import KeptMembers, restore_people
from netd.listeners.chat.options import ChatOptions
from netd.listeners.chat.room.account_changes import LoadAccounts
from netd.listeners.chat.room.accounts import RegisteredAccount
from netd.listeners.chat.room.effect import Record, SaveChannel, Store
from netd.listeners.chat.room.encoded_message import position_of_entry
from netd.listeners.chat.room.history import private_messages
from netd.listeners.chat.room.room import Room
from netd.listeners.chat.room.room_records import SERVER_BAN
from netd.listeners.chat.room.server_ban import SetServerBan, StoredServerBans
from netd.listeners.chat.room.snapshot import format_state, present_accounts, restore_channel
from netd.listeners.chat.room.storage import Change, Query, QueryFailedError
from netd.listeners.chat.room.stored_message import (
    AddMessage,
    AddPresence,
    LastPosition,
    MessagesSince,
)
from netd.listeners.chat.room.stored_state import ChannelStates, SetChannelState
from netd.listeners.chat.state_file import limits_of, open_database, state_path
from netd.listeners.chat.stored_accounts import all_of, load_accounts
from netd.protocols.record import TEXT, Field, list_of, load_list, load_mapping
from netd.runtime.loop import Loop, Timer

if TYPE_CHECKING:
    from netd.listeners.chat.storage.database import Database
    from netd.listeners.chat.storage.reader import OnResult

_log = logging.getLogger("netd")
MAX_MISSED: Final = 10_000
_REPEATED_AT_ONCE: Final = 2000
SAVE_DELAY_S: Final = 0.1  # the changes of a channel in this time are one write


def _load_unwritten(data: object) -> dict[str, Any]:
    items = load_mapping(data)
    lines, changes = load_list(items["lines"]), load_list(items.get("changes", []))
    return {
        "file": TEXT.load(items["file"]),
        "changed": list_of(TEXT).load(items["changed"]),
        "changes": _load_changes(lines, changes) if lines or changes else [],
    }


def _load_changes(lines: list[Any], changes: list[Any]) -> list[Change]:
    # SQLite, if needed
    from netd.listeners.chat.storage.database import load_changes  # noqa: PLC0415
    from netd.listeners.chat.storage.earlier_lines import read_line  # noqa: PLC0415

    earlier = [read_line(*map(TEXT.load, load_list(line)[:2])) for line in lines]
    return [*filter(None, earlier), *load_changes(changes)]


UNWRITTEN: Final = Field(_load_unwritten)
"""Checks what `ChannelStore.save_unwritten` returns."""


class ChannelStore:
    """Writes the changes of the room to a file; without a file it does nothing.

    Changes before `open`, and while the file is closed for a handover, are written later.
    """

    def __init__(self, loop: Loop, options: ChatOptions, room: Room) -> None:
        self._loop = loop
        self._room = room
        self._options = options
        self._database: Database | None = None
        self._is_open = False
        self._changed: dict[str, None] = {}  # folded names
        self._waiting: list[Change] = []  # for `open`
        self._timer: Timer | None = None
        self._is_asking = False  # for the accounts
        self.found_accounts: Sequence[RegisteredAccount] = ()
        """Those in the file of a chat on several hosts, whose engine decides."""
        self._lost_earlier = 0
        self._kept_members = KeptMembers(room, self.write)
        self._repeated: Iterator[None] = iter(())  # messages that are written again

    def open(self, *, restore: bool = False, missed_after: int | None = None) -> None:
        """Open the file.

        With `restore` its channels are added to the room, which must be new. `missed_after` is the
        last position of a snapshot: the room gets the messages that came after it.
        """
        if self._is_open:
            return
        self._is_open = True
        self._count_lost()
        self._database = self._open_database()
        if self._database is not None:
            if restore:
                self._restore(self._database)
            elif missed_after is not None and self._room.state.settings.stores_messages:
                self._catch_up(self._database, missed_after)
            self._database.start()
        self._write_waiting()
        self._flush()
        self._reserve_names()

    def _write_waiting(self) -> None:
        self._move_private_messages()
        waiting, self._waiting = self._waiting, []
        for change in waiting:
            self.write(change)

    @property
    def has_file(self) -> bool:
        """Whether there is a file that can be written now."""
        return self._is_open and self._database is not None and not self._database.failure

    @property
    def lost(self) -> int:
        """The number of writes that failed or were dropped."""
        return self._lost_earlier + (self._database.lost if self._database else 0)

    @property
    def failed_queries(self) -> int:
        """The number of queries to the present file that had no answer."""
        return self._database.failed_queries if self._database else 0

    @property
    def failure(self) -> str:
        """Why changes are not written at present; empty if they are, or no file is configured."""
        return self._database.failure if self._database else ""

    def reconfigure(self, options: ChatOptions) -> None:
        """Take new options; a new file gets the channels' present states, without messages."""
        before, self._options = self._options, options
        if not self._is_open:
            return
        if state_path(before) == state_path(options):
            if self._database is not None:
                self._database.set_limits(limits_of(options))
            return
        self._flush()
        self._count_lost()
        if self._database is not None:
            self._database.close(within_s=0)  # do not delay the chat
        self._database = self._open_database()
        if self._database is not None:
            self._database.start()
        self._write_waiting()
        self._save_all()

    def save(self, effect: Record | SaveChannel | Store) -> None:
        """Write a message or another change, or soon a channel's state."""
        if self._database is None and self._is_open:
            return
        match effect:
            case SaveChannel(channel):
                self._mark(channel.folded)
            case Store(change):
                self.write(change)
            case Record(channel, entry) if self._options.keeps_messages:
                is_open = channel.access.is_open_at(position_of_entry(entry))
                self.write(AddMessage.of(channel.folded, entry, is_open=is_open))

    def write(self, change: Change) -> None:
        """Make a change soon."""
        if not self._is_open:
            self._waiting.append(change)
        elif self._database is not None:
            self._database.write(change)

    def ask(self, query: Query[Any], on_result: OnResult) -> None:
        """Answer a query in a later turn of the loop: with its result, or a QueryFailedError."""
        if self._database is not None and self._is_open:
            self._database.ask(query, on_result)
        else:
            error = QueryFailedError("there is no database")
            self._loop.call_next_turn(lambda: on_result(error))

    def check(self) -> None:
        """Write everything again if changes were lost, or the file was removed or damaged."""
        if not self._is_open or self._database is None:
            return
        if self._database.take_must_repeat():
            self._save_all()
            self._repeated = self._all_messages()
        for _ in zip(range(_REPEATED_AT_ONCE), self._repeated, strict=False):
            pass
        if self._lacks_accounts():
            self._ask_for_accounts()

    def copy_messages(self) -> None:
        """Write the messages in memory: they came from another host."""
        self._repeated = self._all_messages()

    def _all_messages(self) -> Iterator[None]:
        """Write the messages in memory, step by step: the file can lack any of them."""
        if self._options.keeps_messages:
            for change in private_messages(self._room.state.private_histories):
                self.write(change)
                yield
        for channel in list(self._room.state.channels.values()):
            for entry in list(channel.history.entries):
                self.save(Record(channel, entry))
                yield

    def check_members(self) -> Iterator[None]:
        """Write the members that are always on, if they have changed, in steps of some work."""
        if self._is_open and self._database is not None:
            yield from self._kept_members.check()

    def finish_members(self) -> None:
        """Write these members before the service ends, and all members leave."""
        self._kept_members.finish()

    def try_close(self) -> bool:
        """Begin to close the file for a handover; return whether it is closed.

        To be called again until it is. `open` opens the file again.
        """
        if self._is_open:
            self.check()
            self._flush()
            self._is_open = False
        return self._database is None or self._database.try_close()

    def save_unwritten(self) -> dict[str, Any]:
        """The changes that the closed file does not have, as plain data."""
        saved = []
        if self._database is not None:
            from netd.listeners.chat.storage.database import save_changes  # noqa: PLC0415 (as above)

            self._waiting[:0] = self._database.take_unwritten()
            saved = save_changes(self._waiting)
        return {
            "file": state_path(self._options),
            "lines": [],  # for netd before versions of the database
            "changed": list(self._changed),
            "changes": saved,
        }

    def load_unwritten(self, saved: Mapping[str, Any] | None) -> None:
        """Let `open` write the changes that another process saved; None: they are not known."""
        if saved is not None and saved["file"] == state_path(self._options):
            self._waiting += saved["changes"]
            self._changed.update(dict.fromkeys(saved["changed"]))
        else:  # as after a reload: no messages
            self._changed.update(dict.fromkeys(self._room.state.channels))
            self._waiting += [SetServerBan.of(ban) for ban in self._room.state.server_bans]

    def close(self) -> None:
        """Complete the writes and close the file."""
        if self._changed or self._waiting:
            self.open()  # it was closed for a handover
        self.check()
        self._flush()
        if self._database is not None:
            self._database.close()

    def _open_database(self) -> Database | None:
        """Open the file, and take the registered accounts from it if they are not known."""
        database = open_database(self._loop, self._options)
        if self._options.cluster is not None:
            found = database.load(LoadAccounts()) if database is not None else None
            self.found_accounts = found or ()
        elif database is not None and self._lacks_accounts():
            self._waiting += load_accounts(self._room.state, database)
        elif database is None and self._options.registration is not None:
            _log.warning("chat: no account can be registered without history_file")
        return database

    def _lacks_accounts(self) -> bool:
        """Whether the registered accounts are still to be loaded; a cluster has none."""
        return not self._room.state.accounts.is_open and self._options.cluster is None

    def _ask_for_accounts(self) -> None:
        """Try to load the accounts again: the file could not be read before."""

        def on_accounts(found: object) -> None:
            self._is_asking = False
            if isinstance(found, tuple) and self._lacks_accounts():
                self._room.state.accounts.load(found)
                self._reserve_names()

        if not self._is_asking:
            self._is_asking = True
            self.ask(LoadAccounts(), on_accounts)

    def _reserve_names(self) -> None:
        for effect in self._room.reserve_names():
            self.save(effect)

    def _count_lost(self) -> None:
        if self._database is not None:
            self._lost_earlier += self._database.lost

    def _save_all(self) -> None:
        if self._database is not None:
            for folded in self._room.state.channels:
                self._mark(folded)
            for ban in self._room.state.server_bans:
                self.write(SetServerBan.of(ban))
            for change in all_of(self._room.state):
                self.write(change)
            self._kept_members.forget()

    def _mark(self, folded: str) -> None:
        self._changed[folded] = None
        if self._timer is None and self._is_open:
            self._timer = self._loop.call_later(SAVE_DELAY_S, self._flush)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._is_open:
            return
        changed, self._changed = self._changed, {}
        for folded in changed:
            channel = self._room.state.channels.get(folded)
            state = format_state(channel) if channel is not None else ""
            self.write(SetChannelState(folded, state))

    def _restore(self, database: Database) -> None:
        """Add what the file has to the room, which is new."""
        room, last = self._room.state, database.load(LastPosition()) or 0
        room.ids.advance_beyond(last)
        for folded, text in (database.load(ChannelStates()) or {}).items():
            try:
                restore_channel(room, folded, text, time.time())
            except LocalProtocolError as error:
                _log.warning("chat: %s: %s", database.path, error)
                continue
            for account, since in present_accounts(text).items():
                self._waiting.append(AddPresence(folded, account, since, last))
        for text in database.load(StoredServerBans()) or ():
            try:
                self._room.state.server_bans.add(SERVER_BAN.load(json.loads(text)))
            except (ValueError, TypeError) as error:
                _log.warning("chat: %s: not a server ban: %s", database.path, error)
        restore_people(room, database)
        permanent = room.find_channel(self._options.channel)
        if permanent is not None:
            self._mark(permanent.folded)

    def _move_private_messages(self) -> None:
        """Write the private messages that an earlier netd, or one without a file, had in memory."""
        histories = self._room.state.private_histories
        is_needed = self._options.cluster is not None  # on several hosts, by the others
        if self._database is None or not self._options.keeps_messages or is_needed:
            return
        self._waiting += private_messages(histories)
        for private in histories.values():
            private.set_lines(0)  # which frees the memory
        histories.clear()

    def _catch_up(self, database: Database, position: int) -> None:
        """Add the messages that came after a snapshot of the room, and write those before it.

        The process that was killed may have had either of them last.
        """
        last, channels = database.load(LastPosition()) or 0, self._room.state.channels
        for channel in channels.values():
            for entry in channel.history.entries:
                if position_of_entry(entry) > last:
                    is_open = channel.access.is_open_at(position_of_entry(entry))
                    self._waiting.append(AddMessage.of(channel.folded, entry, is_open=is_open))
        missed = MessagesSince(position, MAX_MISSED)
        for folded, message in database.load(missed) or ():
            if folded in channels:
                channels[folded].history.append(message)
        self._room.state.ids.advance_beyond(last)
