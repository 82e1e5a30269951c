"""Keeps channels over restarts and crashes: modes, lists, topics, operators; and one history.

The state of every channel is kept, so that after the death of a worker the first client that joins
a channel does not become its operator. Messages are kept for the configured channel only.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from netd.errors import LocalProtocolError
from netd.listeners.chat.options import ChatOptions
from netd.listeners.chat.room.effect import Record, SaveChannel
from netd.listeners.chat.room.encoded_message import message_of
from netd.listeners.chat.room.room import Room
from netd.listeners.chat.room.snapshot import (
    format_line,
    format_state,
    restore_channel,
    restore_history,
)
from netd.protocols.irc import fold
from netd.protocols.record import TEXT, Field, fields_of, list_of
from netd.runtime.loop import Loop, Timer

if TYPE_CHECKING:
    from netd.listeners.chat.sqlite_store import SqliteStore

_log = logging.getLogger("netd")
SAVE_DELAY_S: Final = 0.1  # the changes of a channel in this time are one write


def _load_line(data: object) -> tuple[str, str]:
    folded, line = list_of(TEXT).load(data)
    return folded, line


UNWRITTEN: Final = fields_of(file=TEXT, lines=list_of(Field(_load_line)), changed=list_of(TEXT))
"""Checks what `ChannelStore.save_unwritten` returns."""


class ChannelStore:
    """Writes the channels' changes to a file; without a file it does nothing.

    Changes before `open`, and while the file is closed for a handover, are written later.
    """

    def __init__(self, loop: Loop, options: ChatOptions, room: Room) -> None:
        self._loop = loop
        self._room = room
        self._options = options
        self._store: SqliteStore | None = None
        self._is_open = False
        self._changed: dict[str, None] = {}  # folded names
        self._lines: list[tuple[str, str]] = []  # that wait for `open`: folded name, line
        self._timer: Timer | None = None
        self._lost_earlier = 0

    def open(self, *, restore: bool) -> None:
        """Open the file; with `restore` add its channels to the room, which must be new."""
        if self._is_open:
            return
        self._is_open = True
        if self._store is not None:
            self._lost_earlier += self._store.lost
        self._store = _open_store(self._options)
        if self._store is not None and restore:
            self._restore(self._store)
        lines, self._lines = self._lines, []
        if self._store is not None:
            for folded, line in lines:
                self._store.add_line(folded, line)
        self._flush()

    @property
    def lost(self) -> int:
        """The number of writes that failed or were dropped."""
        return self._lost_earlier + (self._store.lost if self._store else 0)

    @property
    def failure(self) -> str:
        """Why changes are not written at present; empty if they are, or no file is configured."""
        return self._store.failure if self._store else ""

    def reconfigure(self, options: ChatOptions) -> None:
        """Take new options; a new file gets the channels' present states, without messages."""
        before, self._options = self._options, options
        if not self._is_open:
            return
        if self._store is not None and state_path(before) == state_path(options):
            self._store.max_lines = options.history_lines
            return
        self._flush()
        if self._store is not None:
            self._lost_earlier += self._store.lost
            self._store.close(within_s=0)  # do not delay the chat
        self._store = _open_store(options)
        self._save_all()

    def save(self, effect: Record | SaveChannel) -> None:
        """Write a message, or soon a channel's state."""
        if self._store is None and self._is_open:
            return
        if isinstance(effect, SaveChannel):
            self._mark(effect.channel.folded)
        elif self._options.history_file:
            self._add_line(effect.channel.folded, format_line(message_of(effect.entry)))

    def check(self) -> None:
        """Write everything again if the file was removed or damaged."""
        if self._is_open and self._store is not None and self._store.is_new_file.is_set():
            self._store.is_new_file.clear()
            self._save_all()
            channel = self._room.state.find_channel(self._options.channel)
            if channel is not None:
                for entry in channel.history.entries:
                    self.save(Record(channel, entry))

    def try_close(self) -> bool:
        """Begin to close the file for a handover; return whether all is written and it is closed.

        To be called again until it is. `open` opens the file again.
        """
        if self._is_open:
            self._flush()
            self._is_open = False
        return self._store is None or self._store.try_close()

    def save_unwritten(self) -> dict[str, Any]:
        """The changes that the closed file does not have, as plain data."""
        if self._store is not None:
            lines, channels = self._store.take_queued()
            self._lines[:0] = lines
            self._changed = {**dict.fromkeys(channels), **self._changed}
        return {
            "file": state_path(self._options),
            "lines": [list(line) for line in self._lines],
            "changed": list(self._changed),
        }

    def load_unwritten(self, saved: Mapping[str, Any] | None) -> None:
        """Let `open` write the changes that another process saved; None: they are not known."""
        if saved is not None and saved["file"] == state_path(self._options):
            self._lines += saved["lines"]
            self._changed.update(dict.fromkeys(saved["changed"]))
        else:  # as after a reload: no messages
            self._changed.update(dict.fromkeys(self._room.state.channels))

    def close(self) -> None:
        """Complete the writes and close the file."""
        if self._changed or self._lines:
            self.open(restore=False)  # it was closed for a handover
        self._flush()
        if self._store is not None:
            self._store.close()

    def _save_all(self) -> None:
        if self._store is not None:
            for folded in self._room.state.channels:
                self._mark(folded)

    def _add_line(self, folded: str, line: str) -> None:
        if self._store is not None and self._is_open:
            self._store.add_line(folded, line)
        else:
            self._lines.append((folded, line))

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
        if self._store is not None:
            for folded in changed:
                channel = self._room.state.channels.get(folded)
                self._store.set_state(folded, format_state(channel) if channel is not None else "")

    def _restore(self, store: SqliteStore) -> None:
        for folded, text in store.load_states().items():
            try:
                restore_channel(self._room.state, folded, text, time.time())
            except LocalProtocolError as error:
                _log.warning("chat: %s: %s", store.path, error)
        channel = self._room.state.find_channel(self._options.channel)
        if channel is None or not self._options.history_file:
            return
        try:
            restore_history(channel, store.load_lines(fold(channel.name)))
        except LocalProtocolError as error:
            _log.warning("chat: %s: %s", store.path, error)


def state_path(options: ChatOptions) -> str:
    """The file: `history_file`, or one in the directory that systemd provides; empty for none."""
    directory = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]  # systemd.exec(5)
    if options.history_file or not directory:
        return options.history_file
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", str(options.address[0]))
    return os.path.join(directory, f"chat-{name}.db")


def _open_store(options: ChatOptions) -> SqliteStore | None:
    path = state_path(options)
    if not path:
        return None
    from netd.listeners.chat.sqlite_store import SqliteStore  # noqa: PLC0415 (SQLite, if needed)

    return SqliteStore(path, options.history_lines)
