"""Files of netd-chat in the user's state directory: what was typed, and what was open.

$XDG_STATE_HOME/netd/chat or ~/.local/state/netd/chat; directories have mode 0700, files 0600.
A file that cannot be read or written is no reason to stop the chat.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, TextIO

from netd.runtime.replaced_file import replace_file

MAX_HISTORY_LINES: Final = 1000
_MAX_BYTES: Final = 2**20  # of a file that is read
_PRIVATE: Final = 0o600


@dataclass(slots=True)
class SavedConversations:
    """The private conversations that were open, and up to when each one was read."""

    private: list[str] = field(default_factory=list)
    read_until: dict[str, str] = field(default_factory=dict)


class StateFiles:
    """The files of one server; `server` is its name."""

    def __init__(self, environ: Mapping[str, str], server: str) -> None:
        base = environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
        self.directory = f"{base}/netd/chat"
        """The directory of all servers."""
        self._history = f"{self.directory}/input-history"
        self._conversations = f"{self.directory}/{file_name(server)}.json"

    def typed_lines(self) -> list[str]:
        """Return the lines that earlier runs have kept, the oldest first."""
        lines = []
        for line in _read(self._history).splitlines()[-MAX_HISTORY_LINES:]:
            with contextlib.suppress(ValueError):
                lines.append(str(json.loads(line)))
        return lines

    def keep_typed_line(self, line: str) -> None:
        """Add a typed line; JSON keeps its line ends."""
        with contextlib.suppress(OSError), open_to_append(self._history) as file:
            file.write(json.dumps(line) + "\n")

    def trim_typed_lines(self) -> None:
        """Forget the oldest lines, if there are twice as many as are kept."""
        lines = _read(self._history).splitlines()
        if len(lines) > 2 * MAX_HISTORY_LINES:
            _replace(self._history, "".join(f"{line}\n" for line in lines[-MAX_HISTORY_LINES:]))

    def conversations(self) -> SavedConversations:
        """Return the conversations of the last run."""
        try:
            saved: Any = json.loads(_read(self._conversations) or "{}")
        except ValueError:
            saved = {}
        if not isinstance(saved, dict):
            return SavedConversations()
        private, read = saved.get("private"), saved.get("read_until")
        return SavedConversations(
            list(map(str, private)) if isinstance(private, list) else [],
            {str(k): str(v) for k, v in read.items()} if isinstance(read, dict) else {},
        )

    def keep_conversations(self, conversations: SavedConversations) -> None:
        """Save the conversations for the next run."""
        _replace(self._conversations, json.dumps(asdict(conversations)) + "\n")


def file_name(name: str) -> str:
    """Return a name for a file of a channel, user or server: no slash, no leading dot."""
    safe = "".join(c if c.isalnum() or c in "#&+!-_.[]{}^~" else f"%{ord(c):02x}" for c in name)
    safe = f"%2e{safe[1:]}" if safe.startswith(".") else safe
    return safe.encode()[:200].decode("utf-8", "ignore") or "server"


def open_to_append(path: str) -> TextIO:
    """Open a file that only the user can read, to add lines at its end. Raises OSError."""
    _make_directory(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_APPEND, _PRIVATE)
    return os.fdopen(descriptor, "w", encoding="utf-8", errors="replace")


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(_MAX_BYTES)
    except OSError:
        return ""


def _replace(path: str, text: str) -> None:
    with contextlib.suppress(OSError):
        _make_directory(path)
        with replace_file(os.path.realpath(path), mode=_PRIVATE) as file:
            file.write(text.encode("utf-8", "replace"))


def _make_directory(path: str) -> None:
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
