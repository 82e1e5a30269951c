"""Logs events that clients cause at a bounded rate."""

from __future__ import annotations

import logging
from typing import Final

from netd.runtime.loop import Loop

_log = logging.getLogger("netd")

MAX_LINES: Final = 10  # in a second
_PERIOD_S: Final = 1.0


class BoundedLog:
    """Writes at most `MAX_LINES` lines a second, and then one with the number of the others."""

    def __init__(self, loop: Loop, subject: str, level: int = logging.WARNING) -> None:
        """`subject` names the events in the line that counts the omitted ones."""
        self._loop = loop
        self._subject = subject
        self._level = level
        self._lines = 0
        self._omitted = 0

    def write(self, line: str) -> None:
        """Log a line, which must have no control character."""
        if not self._lines:
            self._loop.call_later(_PERIOD_S, self._on_period_over)
        if self._lines < MAX_LINES:
            self._lines += 1
            _log.log(self._level, "%s", line)
        else:
            self._omitted += 1

    def _on_period_over(self) -> None:
        omitted, self._lines, self._omitted = self._omitted, 0, 0
        if omitted:
            text = "%s: %d more such lines in the last second"
            _log.log(self._level, text, self._subject, omitted)
