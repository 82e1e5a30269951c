"""The configuration's file: which one it is, and its text."""

from __future__ import annotations

import os
from typing import Final

from netd.errors import ConfigError, Problem

SYSTEM_CONFIG: Final = "/etc/netd.toml"


def find_config(explicit: str | None) -> str:
    """The file to read: the one named, else the system's, else the user's own."""
    if explicit:
        return explicit
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    candidates = (SYSTEM_CONFIG, os.path.join(home, "netd", "netd.toml"))
    for path in candidates:
        if os.path.exists(path):
            return path
    advice = f"write one with `netd config default > {candidates[1]}`, or name one with --config"
    raise ConfigError((Problem("", f"neither {' nor '.join(candidates)} exists; {advice}"),))


def read_text(path: str) -> str:
    """A configuration file's text. Raises ConfigError."""
    try:
        with open(path, encoding="utf-8-sig") as file:  # some editors begin it with a mark
            return file.read()
    except OSError as error:
        why = (error.strerror or "cannot be read").lower()
        raise ConfigError((Problem("", why, path),)) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError((Problem("", "is not UTF-8 text", path, line),)) from error
