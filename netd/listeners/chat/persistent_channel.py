"""Keeps the configured channel over restarts: its messages, topic, modes and lists."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from netd.errors import LocalProtocolError
from netd.listeners.chat.options import ChatOptions
from netd.listeners.chat.room.effect import Record, SaveChannel
from netd.listeners.chat.room.encoded_message import message_of
from netd.listeners.chat.room.room import Room
from netd.listeners.chat.room.snapshot import (
    format_line,
    format_state,
    restore_history,
    restore_state,
)

if TYPE_CHECKING:
    from netd.listeners.chat.sqlite_store import SqliteStore

_log = logging.getLogger("netd")


class PersistentChannel:
    """Writes the channel's changes to `history_file`; without that option it does nothing."""

    def __init__(self, options: ChatOptions, room: Room) -> None:
        """Open the file and restore the channel in a new room."""
        self._store = _open_store(options)
        self._lost_earlier = 0  # of files that were in use before
        if self._store is not None:
            self._restore(self._store, options, room)

    @property
    def lost(self) -> int:
        """The number of writes that failed or were dropped."""
        return self._lost_earlier + (self._store.lost if self._store else 0)

    def reconfigure(self, options: ChatOptions, room: Room) -> None:
        """Take new options; a new file gets the channel's present state, without its messages."""
        if self._store is not None and self._store.path == _path(options):
            self._store.max_lines = options.history_lines
            return
        if self._store is not None:
            self._store.close(within_s=0)  # the chat goes on meanwhile
            self._lost_earlier += self._store.lost
        self._store = _open_store(options)
        channel = room.state.find_channel(options.channel)
        if channel is not None:
            self.save(SaveChannel(channel))

    def save(self, effect: Record | SaveChannel) -> None:
        """Write a message, or a channel's topic, modes and lists."""
        if self._store is None:
            return
        if isinstance(effect, Record):
            self._store.add_line(effect.channel.folded, format_line(message_of(effect.entry)))
        else:
            self._store.set_state(effect.channel.folded, format_state(effect.channel))

    def close(self) -> None:
        """Complete the writes and close the file."""
        if self._store is not None:
            self._store.close()

    def _restore(self, store: SqliteStore, options: ChatOptions, room: Room) -> None:
        channel = room.state.open_channel(options.channel, time.time())
        state, lines = store.load(channel.folded)
        try:
            restore_history(channel, lines)
            if state:
                restore_state(channel, state)
        except LocalProtocolError as error:
            _log.warning("chat: %s: %s", options.history_file, error)


def _path(options: ChatOptions) -> str:
    return options.history_file if options.channel else ""


def _open_store(options: ChatOptions) -> SqliteStore | None:
    path = _path(options)
    if not path:
        return None
    from netd.listeners.chat.sqlite_store import SqliteStore  # noqa: PLC0415 (SQLite, if needed)

    return SqliteStore(path, options.history_lines)
