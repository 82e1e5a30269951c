"""The directory in which systemd keeps the daemon's data (`StateDirectory=netd`)."""

from __future__ import annotations

import os

from netd.config.paths import SYSTEM_CONFIG


def state_directory_of(config: str) -> str:
    """The directory of the daemon with this configuration file; empty if there is none.

    The commands use it, which systemd does not start.
    """
    home = os.path.expanduser("~")
    own = (os.environ.get("XDG_STATE_HOME") or f"{home}/.local/state", f"{home}/.config")
    parents = ("/var/lib",) if config == SYSTEM_CONFIG else own
    found = (f"{parent}/netd" for parent in parents if os.path.isdir(f"{parent}/netd"))
    return next(found, "")
