"""The file of a chat listener's state: its path, and how it is opened."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from netd.listeners.chat.options import ChatOptions
from netd.listeners.chat.room.stored_limits import Limits
from netd.runtime.loop import Loop

if TYPE_CHECKING:
    from netd.listeners.chat.storage.database import Database


def state_path(options: ChatOptions, directory: str = "") -> str:
    """The file: `history_file`, or one in the directory that systemd provides; empty for none."""
    provided = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]  # systemd.exec(5)
    directory = provided or directory
    if options.history_file or not directory:
        return options.history_file
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", str(options.address[0]))
    return os.path.join(directory, f"chat-{name}.db")


def open_database(loop: Loop, options: ChatOptions) -> Database | None:
    """The database of a listener; None if it stores nothing."""
    path = state_path(options)
    if not path:
        return None
    # SQLite, if needed
    from netd.listeners.chat.storage.database import Database  # noqa: PLC0415

    return Database(loop, path, limits_of(options))


def limits_of(options: ChatOptions) -> Limits:
    """The limits of the stored messages."""
    return Limits(options.history_max_lines, options.history_keep, options.history_max_size)


def is_default_name(name: str) -> bool:
    """Whether a file can be the database of a listener without `history_file`."""
    return name.startswith("chat-") and name.endswith(".db")
