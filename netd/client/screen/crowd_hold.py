"""Holds back membership changes for a moment, so that printed lines can report many at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from netd.client.core.chat_events import ChatEvent
from netd.client.core.crowds import can_fold

_HOLD_S: Final = 0.3


class CrowdHold:
    """Passes events on to `show`; changes of members wait for others of their kind."""

    def __init__(self, show: Callable[[Sequence[ChatEvent]], None]) -> None:
        self._show = show
        self._held: list[ChatEvent] = []
        self._timer: asyncio.TimerHandle | None = None

    def put(self, events: Sequence[ChatEvent]) -> None:
        """Show events, after those that are held back; or hold them back."""
        self._held += events
        if not self._held or not all(map(can_fold, self._held)):
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_HOLD_S, self.flush)

    def flush(self) -> None:
        """Show what is held back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        held, self._held = self._held, []
        self._show(held)
