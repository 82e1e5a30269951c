"""`netd check`: finds every fault of a configuration, as the user that the unit runs as."""

from __future__ import annotations

import argparse
import contextlib
import os
import pwd
import stat
import sys
from collections.abc import Iterable
from typing import Any, Final

from netd.commands.config_file import add_config_option
from netd.commands.output import show
from netd.config.address import Address
from netd.config.check import check_files, read_checked
from netd.config.load import read_config
from netd.config.model import Config
from netd.config.paths import SYSTEM_CONFIG, client_control_path, daemon_control_path, find_config
from netd.config.source import Source
from netd.config.state_directory import state_directory_of
from netd.errors import ConfigError, ControlError, Problem, ReloadError
from netd.listeners.bundle import MAJOR
from netd.listeners.kinds import KINDS
from netd.runtime.identity import become
from netd.supervisor.control_client import NoDaemonError, request_status
from netd.supervisor.control_server import check_control
from netd.supervisor.port_check import HeldAddresses, check_ports
from netd.supervisor.trial import STATE_FORMAT

_UNIT_USER: Final = "netd"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_config_option(parser)
    parser.add_argument(
        "--as",
        dest="user",
        metavar="USER",
        help="check as this user, as root only (default: netd for /etc/netd.toml, if it exists)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Check the configuration, and print the warnings.

    Raises ConfigError for its faults, IdentityError if this process cannot become the user, and
    ReloadError if the configuration is well but this version cannot continue for the running one.
    """
    path = find_config(arguments.config)
    running = os.environ.get(STATE_FORMAT, str(MAJOR))
    if running != str(MAJOR):
        text = f"the state of the running netd has format {running}"
        raise ReloadError(f"{text}, and this version reads {MAJOR}: its clients would be lost")
    held = held_by_daemon(path)
    control_in_use = client_control_path(path) if held != HeldAddresses() else ""
    user = arguments.user or _user_of_unit(path)
    if user:
        _import_for_checks(path)
        become(user)
        os.environ.pop("XDG_RUNTIME_DIR", None)  # that of root
    if directory := state_directory_of(path):
        os.environ.setdefault("STATE_DIRECTORY", directory)  # as the unit sets it

    def check(config: Config, source: Source) -> Iterable[Problem]:
        control = daemon_control_path(config.netd.control)
        found = check_control(control, config.netd) if control != control_in_use else ()
        found = (*found, *check_ports(config, held), *check_files(config, source, KINDS))
        return {problem.key: problem for problem in found}.values()

    config = read_config(path, KINDS, check)
    for warning in config.warnings:
        show(str(warning), sys.stderr)
    count = len(config.listeners)
    by_user = f" as user {user}" if user else ""
    show(f"{path}: {count} listener{'s' * (count != 1)}, no fault found{by_user}")
    return os.EX_OK


def _import_for_checks(path: str) -> None:
    """Import the modules of the checks while root may read them: Python can be below /root."""
    "".encode("idna")  # as getaddrinfo(3) does
    with contextlib.suppress(ConfigError):
        read_checked(path, KINDS)


def _user_of_unit(path: str) -> str:
    """The user that the unit runs as, if root checks the unit's configuration."""
    if os.geteuid() != 0 or path != SYSTEM_CONFIG:
        return ""
    try:
        return pwd.getpwnam(_UNIT_USER).pw_name
    except KeyError:
        return ""


def held_by_daemon(path: str) -> HeldAddresses:
    """The addresses of the running daemon, so that its own ports do not count as taken."""
    control = client_control_path(path)
    try:
        status = request_status(control)
    except NoDaemonError:
        return HeldAddresses()
    except ControlError as error:
        if not isinstance(error.__cause__, PermissionError):
            return HeldAddresses(unknown=f"perhaps by netd itself: {error}")
        if not _may_be_socket(control):
            return HeldAddresses()
        return HeldAddresses(unknown=f"perhaps by netd, which this user may not ask at {control}")
    listeners = status["listeners"]
    if not listeners:
        return HeldAddresses(unknown=f"perhaps by netd at {control}, which is starting")
    return HeldAddresses(_addresses(listeners, "configured"), _addresses(listeners, "addresses"))


def _may_be_socket(path: str) -> bool:
    """Whether a path that this user may not use is a socket, or hidden from the user."""
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except PermissionError:
        return True
    except OSError:
        return False


def _addresses(listeners: list[dict[str, Any]], key: str) -> frozenset[Address]:
    return frozenset(Address.parse(text) for listener in listeners for text in listener[key])
