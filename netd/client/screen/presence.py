"""Whether the user is at the keyboard, and up to where each conversation was read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from netd.client.core.client_state import ClientState
from netd.client.core.conversations import ConversationKind
from netd.client.core.received import valid_time
from netd.client.state_files import SavedConversations, StateFiles

_PRESENT_S: Final = 60.0  # after a key; what arrives later is unread until the next key
_READ_DELAY_S: Final = 1.0  # a mark for many messages at once
_KEEP_S: Final = 60.0  # between two writes of the file, which the end of a run writes as well
_MAX_KEPT: Final = 20  # private conversations


class Presence:
    """Calls `read` after the user has pressed a key, at most once in a while."""

    def __init__(
        self, state: ClientState, read: Callable[[], None], files: StateFiles | None
    ) -> None:
        """`files` keep what was read, if there are any."""
        self._state, self._read, self._files = state, read, files
        self._key_at = self._kept_at = time.monotonic()
        self._timer: asyncio.TimerHandle | None = None

    def is_present(self) -> bool:
        """Whether the user has pressed a key lately."""
        return time.monotonic() - self._key_at < _PRESENT_S

    def note_key(self, *, is_at_end: bool) -> None:
        """Count the current conversation as read, if its newest line is visible."""
        self._key_at = time.monotonic()
        if is_at_end:
            self._state.conversations.current.see()
            self.read_soon()

    def read_soon(self) -> None:
        """Mark the current conversation as read in a moment."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_READ_DELAY_S, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self._read()
        if time.monotonic() - self._kept_at > _KEEP_S:
            self.keep()

    def restore(self) -> None:
        """Open the private conversations of the last run."""
        if self._files is None:
            return
        state, saved = self._state, self._files.conversations()
        state.kept_conversations = tuple(saved.private[:_MAX_KEPT])
        for name in state.kept_conversations:
            state.conversations.open(name)
        for conversation in state.conversations:
            until = valid_time(saved.read_until.get(conversation.name, ""))
            conversation.mark_read(until)

    def keep(self) -> None:
        """Save the open conversations for the next run."""
        self._kept_at = time.monotonic()
        if self._files is None:
            return
        conversations = list(self._state.conversations)
        private = [c.name for c in conversations if c.kind is ConversationKind.PRIVATE]
        read = {c.name: c.read_until for c in conversations if c.read_until}
        self._files.keep_conversations(SavedConversations(private[-_MAX_KEPT:], read))
