"""A gate at which one process of a daemon under test waits before it begins.

The process waits for a lock. A process that waits so is not mistaken for one that is stopped, and
SIGCONT does not open the gate: a slow machine (tests/slow_machine.py) stops and continues any.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path


class Gate:
    """The files of a gate; both sides have the same path."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._arrived = Path(f"{path}.arrived")
        self._lock = Path(f"{path}.lock")
        self._held = -1

    def arm(self, name: str) -> None:
        """Have the next process of this name wait."""
        self.disarm()
        self._arrived.unlink(missing_ok=True)
        self._held = os.open(self._lock, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._held, fcntl.LOCK_EX)
        self._path.write_text(name)

    def disarm(self) -> None:
        """Let all processes pass."""
        self._path.unlink(missing_ok=True)
        self.open()

    def wait(self, name: str) -> None:
        """Wait, in a process of this name, if the gate is armed for it."""
        with contextlib.suppress(OSError):
            if self._path.read_text() == name:
                self._arrived.write_text(str(os.getpid()))
                self._path.unlink()
                with self._lock.open() as lock:
                    fcntl.flock(lock, fcntl.LOCK_SH)

    def waiting(self) -> int:
        """The process that waits; 0 as long as none has arrived."""
        with contextlib.suppress(FileNotFoundError):
            if not self._path.exists():
                return int(self._arrived.read_text())
        return 0

    def open(self) -> None:
        """Let the process that waits continue."""
        if self._held != -1:
            os.close(self._held)
            self._held = -1
