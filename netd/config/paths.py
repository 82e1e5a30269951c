"""The paths of the configuration file and of the control socket."""

from __future__ import annotations

import os
import pwd
import re
import stat
import tomllib
from typing import Any, Final

from netd.config.regular_file import read_regular_file
from netd.errors import ConfigError, Problem

SYSTEM_CONFIG: Final = "/etc/netd.toml"
SYSTEM_CONTROL: Final = "/run/netd/control.sock"
_CONTROL_LINE: Final = re.compile(r"""^\s*control\s*=\s*["']([^"']+)["']""", re.MULTILINE)


def find_config(explicit: str | None) -> str:
    """The path given with --config, else the system's file, else the user's own file.

    Raises ConfigError if neither of these files exists.
    """
    if explicit:
        return explicit
    candidates = (SYSTEM_CONFIG, _user_config())
    for path in candidates:
        if os.path.exists(path):
            return path
    advice = f"write one with `netd config default > {candidates[1]}`, or name one with --config"
    raise ConfigError((Problem("", f"neither {' nor '.join(candidates)} exists; {advice}"),))


def read_text(path: str) -> str:
    """The text of a configuration file. Raises ConfigError if it cannot be read as UTF-8."""
    try:
        text = read_regular_file(path).decode("utf-8-sig")  # some editors write a byte order mark
        return text.replace("\r\n", "\n").replace("\r", "\n")
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
        if isinstance(error, PermissionError):
            reason += f" for the user {_own_name()}"
        raise ConfigError((Problem("", reason, path),)) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError((Problem("", "is not UTF-8 text", path, line),)) from error


def _own_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # as in a container without this user
        return str(os.geteuid())


def daemon_control_path(configured: str) -> str:
    """The path at which this process, as the daemon, opens its control socket.

    It is the configured path, if there is one.
    """
    default = SYSTEM_CONTROL if _can_make_system_control() else _user_control_path()
    return configured or default


def _can_make_system_control() -> bool:
    directory = os.path.dirname(SYSTEM_CONTROL)
    parent = directory if os.path.isdir(directory) else os.path.dirname(directory)
    return os.access(parent, os.W_OK)


def client_control_path(file: str) -> str:
    """The path of the control socket of a daemon that runs this configuration file.

    The path is also found in a file with faults, so that a command can still show the status. If
    the file sets no path, the user's own daemon is preferred to the system's, and is the only one
    that runs the user's own file.
    """
    configured = _configured_control_path(file)
    if configured:
        return configured
    own = _user_control_path()
    is_own = os.path.exists(own) and _is_ours(os.path.dirname(own))
    is_own |= file == _user_config() and not _can_make_system_control()
    return own if is_own or not os.path.exists(SYSTEM_CONTROL) else SYSTEM_CONTROL


def _is_ours(directory: str) -> bool:
    """Whether this user made the directory; every user can make /tmp/netd-UID."""
    status = os.lstat(directory)
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()


def _configured_control_path(file: str) -> str:
    try:
        text = read_text(file)
    except ConfigError:
        return ""
    try:
        document: dict[str, Any] = tomllib.loads(text)
        return str(document.get("netd", {}).get("control", ""))
    except (ValueError, RecursionError, AttributeError):  # not TOML, or no table
        match = _CONTROL_LINE.search(text)
        return match[1] if match else ""


def _user_config() -> str:
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return os.path.join(home, "netd", "netd.toml")


def _user_control_path() -> str:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    directory = os.path.join(runtime, "netd") if runtime else f"/tmp/netd-{os.getuid()}"  # noqa: S108 (its owner is checked)
    return os.path.join(directory, "control.sock")
