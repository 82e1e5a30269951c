"""Prepares a chat service for a handover, while its clients are served."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from netd.listeners.chat.handover_driver import HandoverDriver
from netd.runtime.loop import Loop, Timer

BUSY_S: Final = 2.0
"""How long password checks and long replies are awaited: what is left of them can be saved too."""
_STEP_S: Final = 0.005
_REASON: Final = "Connection lost in a restart"


class Preparation:
    """Waits until no check is under way and the history is written; then closes TLS connections.

    A client under TLS connects again as soon as it can, so the close comes last.
    """

    def __init__(
        self, loop: Loop, room: HandoverDriver, within_s: float, on_prepared: Callable[[], object]
    ) -> None:
        self._loop = loop
        self._room = room
        self._on_prepared = on_prepared
        self._busy_until = loop.now + min(within_s, BUSY_S)
        self._until = loop.now + within_s
        self._timer: Timer | None = None
        self._step()

    def cancel(self) -> None:
        """Do not call back any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _step(self) -> None:
        if self._must_wait():
            self._timer = self._loop.call_later(_STEP_S, self._step)
        else:
            self._room.suspend_secure(_REASON)
            self._on_prepared()

    def _must_wait(self) -> bool:
        now = self._loop.now
        if now < self._busy_until and self._room.is_busy():
            return True
        return not self._room.try_close_store() and now < self._until
