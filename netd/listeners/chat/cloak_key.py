"""The secret of the cloaks, kept in a file so that bans match after a restart."""

from __future__ import annotations

import logging
import os
from typing import Final

from netd.runtime.errnos import describe

_log = logging.getLogger("netd")
KEY_FILE: Final = "cloak.key"
KEY_BYTES: Final = 32
_MAX_BYTES: Final = 4096


def read_or_make() -> str:
    """The key of the file in systemd's `StateDirectory=`, which is made if needed.

    All chat listeners of a daemon share it. Empty without the directory, or if it cannot be used.
    """
    directory = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]  # systemd.exec(5)
    if not directory:
        return ""
    path = os.path.join(directory, KEY_FILE)
    try:
        if not os.path.exists(path):
            _make(path)
        with open(path, encoding="ascii") as file:
            return file.read(_MAX_BYTES).strip()
    except (OSError, UnicodeDecodeError) as error:
        text = describe(error) if isinstance(error, OSError) else "not a key"
        _log.warning("chat: %s: %s; cloaks change at a restart", path, text)
        return ""


def _make(path: str) -> None:
    """Make the file whole: another process may make it at the same time."""
    temporary = f"{path}.{os.getpid()}"
    fd = os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with open(fd, "w", encoding="ascii") as file:
            file.write(os.urandom(KEY_BYTES).hex() + "\n")
            file.flush()
            os.fsync(fd)
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(temporary)
