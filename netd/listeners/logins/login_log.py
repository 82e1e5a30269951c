"""Logs wrong passwords, in a form that fail2ban(1) can match and at a bounded rate."""

from __future__ import annotations

import json
import logging
from typing import Final

from netd.runtime import journal
from netd.runtime.loop import Loop

_log = logging.getLogger("netd")

MAX_LINES: Final = 10  # in a second
_PERIOD_S: Final = 1.0
_MAX_ACCOUNT_CHARS: Final = 64


class LoginLog:
    """Writes at most `MAX_LINES` lines a second, and then one with the number of the others."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._lines = 0
        self._omitted = 0

    def failed(self, source: str, account: str, method: str) -> None:
        """Log a wrong password. The account's name, from the client, is quoted and escaped."""
        quoted = json.dumps(account[:_MAX_ACCOUNT_CHARS])
        listener = journal.listener_name() or "-"
        self._write(
            f"auth failed: source {source} account {quoted} method {method} listener {listener}"
        )

    def unchecked(self, error: Exception) -> None:
        """Log that a password could not be checked."""
        self._write(f"a password cannot be checked: {error}")

    def _write(self, line: str) -> None:
        if not self._lines:
            self._loop.call_later(_PERIOD_S, self._on_period_over)
        if self._lines < MAX_LINES:
            self._lines += 1
            _log.warning("%s", line)
        else:
            self._omitted += 1

    def _on_period_over(self) -> None:
        omitted, self._lines, self._omitted = self._omitted, 0, 0
        if omitted:
            _log.warning("passwords: %d more such lines in the last second", omitted)
