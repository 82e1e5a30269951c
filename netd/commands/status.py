"""`netd status`: shows the listeners and workers of the daemon."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from typing import Any, Final, NoReturn

from netd.commands.config_file import add_config_option, control_path
from netd.commands.output import escaped, show
from netd.status_text import format_rates, format_status
from netd.supervisor.control_client import request_status

_WATCH_PERIOD_S: Final = 1.0
_HOME: Final = "\x1b[H"  # a cleared screen would flicker (ECMA-48)
_CLEAR_LINE: Final = "\x1b[K"
_CLEAR_BELOW: Final = "\x1b[J"
_EX_DEGRADED: Final = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_config_option(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON, for programs")
    form.add_argument(
        "--watch", action="store_true", help="show it again every second, until interrupted"
    )


def run(arguments: argparse.Namespace) -> int:
    """Show the status; the exit status is 1 if the daemon is degraded."""
    path = control_path(arguments)
    status = request_status(path)
    if arguments.watch:
        return _watch(path, status)
    show(json.dumps(status, indent=2) if arguments.json else format_status(status))
    return _EX_DEGRADED if _is_degraded(status) else os.EX_OK


def _watch(path: str, status: dict[str, Any]) -> NoReturn:
    """Show the status and the rates in place, until the user interrupts."""
    before = status
    while True:
        text = f"{format_status(status)}\n\n{format_rates(before, status)}"
        lines = escaped(text).split("\n")
        print(_HOME, *(f"{line}{_CLEAR_LINE}\n" for line in lines), _CLEAR_BELOW, sep="", end="")
        sys.stdout.flush()
        time.sleep(_WATCH_PERIOD_S)
        before, status = status, request_status(path)


def _is_degraded(status: dict[str, Any]) -> bool:
    """Whether a listener is degraded, or the file was refused and is not in effect."""
    outcome = status["last_reload"]
    return status["state"] == "degraded" or bool(outcome and not outcome["ok"])
