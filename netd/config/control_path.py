"""Where the control socket is, for the daemon that opens it and the commands that ask it."""

from __future__ import annotations

import os
import re
import tomllib
from typing import Any, Final

from netd.config.config_file import read_text
from netd.config.model import Config
from netd.errors import ConfigError

SYSTEM_CONTROL: Final = "/run/netd/control.sock"
_CONTROL_LINE: Final = re.compile(r"""^\s*control\s*=\s*["']([^"']+)["']""", re.MULTILINE)


def control_to_open(config: Config) -> str:
    """Where this process, as the daemon, opens its control socket."""
    directory = os.path.dirname(SYSTEM_CONTROL)
    parent = directory if os.path.isdir(directory) else os.path.dirname(directory)
    may_write = os.access(parent, os.W_OK)
    return config.netd.control or (SYSTEM_CONTROL if may_write else _own_control())


def control_to_ask(file: str) -> str:
    """Where a daemon that runs this file is to be asked.

    Works with a file that is broken at present, so that the status can still be seen. Without
    a setting the user's own daemon comes first, then the system's.
    """
    configured = _configured(file)
    if configured:
        return configured
    own = _own_control()
    return own if os.path.exists(own) or not os.path.exists(SYSTEM_CONTROL) else SYSTEM_CONTROL


def _configured(file: str) -> str:
    try:
        text = read_text(file)
    except ConfigError:
        return ""
    try:
        document: dict[str, Any] = tomllib.loads(text)
        return str(document.get("netd", {}).get("control", ""))
    except (tomllib.TOMLDecodeError, AttributeError):
        match = _CONTROL_LINE.search(text)
        return match[1] if match else ""


def _own_control() -> str:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    directory = os.path.join(runtime, "netd") if runtime else f"/tmp/netd-{os.getuid()}"  # noqa: S108 (its owner is checked)
    return os.path.join(directory, "control.sock")
