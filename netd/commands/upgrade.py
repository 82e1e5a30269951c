"""`netd upgrade`: runs the installed version in the daemon's process."""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import Any, Final

from netd.commands.config_file import add_config_option, control_path
from netd.commands.output import show
from netd.errors import ControlError
from netd.protocols.control import ControlCommand
from netd.supervisor.control_client import NoReplyError, request_status, send_request

_TIMEOUT_S: Final = 120.0
_POLL_S: Final = 0.05

add_arguments = add_config_option


def run(arguments: argparse.Namespace) -> int:
    """Upgrade; a refused upgrade is EX_CONFIG."""
    path = control_path(arguments)
    try:
        reply = send_request(path, ControlCommand.UPGRADE, _TIMEOUT_S)
    except NoReplyError:  # the process runs the new program
        status = _await_status(path)
        show(f"upgraded: netd {status['version']} serves, pid {status['pid']}")
        return os.EX_OK
    show(reply.error, sys.stderr)
    return os.EX_CONFIG


def _await_status(path: str) -> dict[str, Any]:
    """The status of a daemon that starts, once its listeners are in force.

    Raises ControlError if they are not within two minutes.
    """
    deadline = time.monotonic() + _TIMEOUT_S
    while True:
        try:
            status = request_status(path)
        except ControlError:
            if time.monotonic() > deadline:
                raise
        else:
            if status["listeners"]:
                return status
            if time.monotonic() > deadline:
                raise ControlError(f"netd at {path} serves no listener yet")
        time.sleep(_POLL_S)
