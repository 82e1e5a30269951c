"""A tmux server for tests, in which programs run on a real terminal."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

from tests.support import PATIENCE_S, wait_until


class Tmux:
    """A private tmux server with a window for each program."""

    def __init__(self, directory: Path) -> None:
        self._base = ["tmux", "-f", "/dev/null", "-S", str(directory / "tmux.sock")]
        scrollback = ("start-server", ";", "set-option", "-g", "history-limit", "50000", ";")
        self._tmux(*scrollback, "new-session", *("-d", "-s", "room", "-x", "80", "-y", "24", "cat"))

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self._base, *arguments], capture_output=True, check=True, timeout=PATIENCE_S
        )
        return done.stdout.decode()

    def start(self, window: str, *command: str) -> None:
        """Run a command in a new window."""
        self._tmux("new-window", "-n", window, shlex.join(command))

    def keys(self, window: str, text: str) -> None:
        """Press keys."""
        self._tmux("send-keys", "-t", f"room:{window}", "-l", text)

    def type(self, window: str, text: str) -> None:
        """Press keys, then Enter."""
        self.keys(window, text)
        self._tmux("send-keys", "-t", f"room:{window}", "Enter")

    def press(self, window: str, *keys: str) -> None:
        """Press keys by their names, such as M-1 or PPage."""
        self._tmux("send-keys", "-t", f"room:{window}", *keys)

    def paste(self, window: str, text: str) -> None:
        """Paste a text, as a terminal does (bracketed)."""
        self._tmux("set-buffer", text)
        self._tmux("paste-buffer", "-p", "-t", f"room:{window}")

    def rows(self, window: str) -> list[str]:
        """Return the visible rows of a window."""
        return self._tmux("capture-pane", "-p", "-t", f"room:{window}").split("\n")[:-1]

    def await_row(self, window: str, text: str, number: int) -> None:
        """Wait until a visible row (from the end if negative) begins with a text."""
        wait_until(
            lambda: self.rows(window)[number].startswith(text),
            f"{text!r} in row {number} of {window}'s window",
        )

    def await_text(self, window: str, text: str) -> None:
        """Wait until a window or its scrollback contains a text."""
        wait_until(lambda: text in self.screen(window), f"{text!r} in {window}'s window")

    def screen(self, window: str) -> str:
        """Return the contents of a window and its scrollback, with wrapped lines joined."""
        return self._tmux("capture-pane", "-p", "-J", "-S", "-", "-t", f"room:{window}")

    def resize(self, columns: int, lines: int) -> None:
        """Resize every window."""
        self._tmux("resize-window", "-t", "room", "-x", str(columns), "-y", str(lines))

    def close(self) -> None:
        """End the server and its programs."""
        self._tmux("kill-server")
