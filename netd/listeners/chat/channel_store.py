"""Keeps channels over restarts and crashes: modes, lists, topics, operators; and one history.

The state of every channel is kept, so that after the death of a worker the first client that joins
a channel does not become its operator. Messages are kept for the configured channel only.
"""

from __future__ import annotations

import logging
import os
import re
import time
from typing import TYPE_CHECKING, Final

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
from netd.runtime.loop import Loop, Timer

if TYPE_CHECKING:
    from netd.listeners.chat.sqlite_store import SqliteStore

_log = logging.getLogger("netd")
SAVE_DELAY_S: Final = 0.1  # the changes of a channel in this time are one write


class ChannelStore:
    """Writes the channels' changes to a file; without a file it does nothing."""

    def __init__(self, loop: Loop, options: ChatOptions, room: Room) -> None:
        """Open the file and restore the channels in a new room."""
        self._loop = loop
        self._room = room
        self._options = options
        self._store = _open_store(options)
        self._changed: dict[str, None] = {}  # folded names
        self._timer: Timer | None = None
        self._lost_earlier = 0
        if self._store is not None:
            self._restore(self._store)

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
        if self._store is None:
            return
        if isinstance(effect, SaveChannel):
            self._mark(effect.channel.folded)
        elif self._options.history_file:
            self._store.add_line(effect.channel.folded, format_line(message_of(effect.entry)))

    def check(self) -> None:
        """Write everything again if the file was removed or damaged."""
        if self._store is not None and self._store.is_new_file.is_set():
            self._store.is_new_file.clear()
            self._save_all()
            channel = self._room.state.find_channel(self._options.channel)
            if channel is not None:
                for entry in channel.history.entries:
                    self.save(Record(channel, entry))

    def close(self) -> None:
        """Complete the writes and close the file."""
        self._flush()
        if self._store is not None:
            self._store.close()

    def _save_all(self) -> None:
        if self._store is not None:
            for folded in self._room.state.channels:
                self._mark(folded)

    def _mark(self, folded: str) -> None:
        self._changed[folded] = None
        if self._timer is None:
            self._timer = self._loop.call_later(SAVE_DELAY_S, self._flush)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
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
