"""Logs when a listener becomes full, and when it is no longer full."""

from __future__ import annotations

import logging
from typing import Final

from netd.runtime.loop import Loop, Timer

_QUIET_S: Final = 10.0  # without an event, until a listener counts as no longer full

_log = logging.getLogger("netd")


class FullNotice:
    """Writes two lines to the log each time that a worker is full, for any number of clients."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._events = self._counted = 0
        self._timer: Timer | None = None

    def note(self, limit: str) -> None:
        """Record a connection for which there was no room. `limit` names the limit."""
        self._events += 1
        if self._timer is None:
            _log.warning("full: %s", limit)
            self._timer = self._loop.call_later(_QUIET_S, self._check)

    def _check(self) -> None:
        if self._events > self._counted:
            self._counted = self._events
            self._timer = self._loop.call_later(_QUIET_S, self._check)
        else:
            _log.info("no longer full; there was no room for %d connections", self._events)
            self._events = self._counted = 0
            self._timer = None
