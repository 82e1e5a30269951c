"""Logs wrong passwords, in a form that fail2ban(1) can match and at a bounded rate."""

from __future__ import annotations

import json
from typing import Final

from netd.runtime import journal
from netd.runtime.bounded_log import BoundedLog
from netd.runtime.loop import Loop

_MAX_ACCOUNT_CHARS: Final = 64


class LoginLog:
    """The log of one worker."""

    def __init__(self, loop: Loop) -> None:
        self._log = BoundedLog(loop, "passwords")

    def failed(self, source: str, account: str, method: str) -> None:
        """Log a wrong password. The account's name, from the client, is quoted and escaped."""
        quoted = json.dumps(account[:_MAX_ACCOUNT_CHARS])
        listener = journal.listener_name() or "-"
        self._log.write(
            f"auth failed: source {source} account {quoted} method {method} listener {listener}"
        )

    def unchecked(self, error: Exception) -> None:
        """Log that a password could not be checked."""
        self._log.write(f"a password cannot be checked: {error}")
