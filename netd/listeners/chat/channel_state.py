"""What the configured channel keeps over restarts: its lines, its topic, modes and lists."""

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
    from netd.listeners.chat.sqlite_store import Store

_log = logging.getLogger("netd")


class Archive:
    """Keeps it where a file is named, else forgets it."""

    def __init__(self) -> None:
        self._store: Store | None = None

    @property
    def lost(self) -> int:
        """How many writes were dropped."""
        return self._store.lost if self._store else 0

    def configure(self, options: ChatOptions, room: Room | None) -> None:
        """Keep it so from now on; another file is given the channel's state as it is."""
        path = options.history_file if options.channel else ""
        if self._store is not None and self._store.path == path:
            self._store.max_lines = options.history_lines
            return
        if self._store is not None:
            self._store.close(within_s=0)  # the chat goes on meanwhile
        self._store = _open_store(path, options.history_lines) if path else None
        channel = room.state.find_channel(options.channel) if room else None
        if channel is not None:
            self.keep(SaveChannel(channel))

    def restore(self, room: Room, options: ChatOptions) -> None:
        """Give a new room what was kept of its channel."""
        if self._store is None:
            return
        channel = room.state.open_channel(options.channel, time.time())
        state, lines = self._store.load(channel.folded)
        try:
            restore_history(channel, lines)
            if state:
                restore_state(channel, state)
        except LocalProtocolError as error:
            _log.warning("chat: %s: %s", options.history_file, error)

    def keep(self, effect: Record | SaveChannel) -> None:
        """Keep one more line, or a channel's state as it is now."""
        if self._store is None:
            return
        if isinstance(effect, Record):
            self._store.add_line(effect.channel.folded, format_line(message_of(effect.entry)))
        else:
            self._store.set_state(effect.channel.folded, format_state(effect.channel))

    def close(self) -> None:
        """Write what still waits."""
        if self._store is not None:
            self._store.close()


def _open_store(path: str, max_lines: int) -> Store:
    from netd.listeners.chat.sqlite_store import Store  # noqa: PLC0415 (SQLite, for those who use it)

    return Store(path, max_lines)
