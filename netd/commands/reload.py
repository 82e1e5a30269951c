"""`netd reload`: has the daemon apply the changed configuration, and waits for the outcome."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Final

from netd.commands.config_file import add_config_option, control_path
from netd.commands.output import show
from netd.protocols.control import ControlCommand
from netd.supervisor.control_client import send_request

_TIMEOUT_S: Final = 120.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_config_option(parser)
    parser.add_argument(
        "--quiet",
        action="store_true",
        help="print no outcome: the daemon logs it, and the exit status is 78 for a refusal",
    )


def run(arguments: argparse.Namespace) -> int:
    """Reload; a refused reload is EX_CONFIG."""
    reply = send_request(control_path(arguments), ControlCommand.RELOAD, _TIMEOUT_S)
    status = os.EX_CONFIG if reply.error else os.EX_OK
    if arguments.quiet:
        return status
    if reply.error:
        show(reply.error, sys.stderr)
    else:
        show(f"reloaded: {reply.body.get('detail', '')}")
    return status
