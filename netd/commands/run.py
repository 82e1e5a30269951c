"""`netd run`: serves until a signal stops the daemon."""

from __future__ import annotations

import argparse
import os

import netd
from netd.commands.config_file import add_config_option
from netd.config.model import Config
from netd.config.paths import daemon_control_path, find_config
from netd.errors import SystemFailureError
from netd.listeners.kinds import KINDS
from netd.runtime.errnos import describe
from netd.runtime.journal import configure_logging, log_unexpected
from netd.runtime.loop import Loop
from netd.runtime.poller import EpollPoller
from netd.runtime.preloaded_code import preload
from netd.runtime.process import open_standard_descriptors
from netd.runtime.systemd import take_passed
from netd.supervisor.config_reader import ConfigReader
from netd.supervisor.supervisor import Supervisor

add_arguments = add_config_option


def run(arguments: argparse.Namespace) -> int:
    """Run the daemon. Raises SystemFailureError if the system has no room for it."""
    try:
        open_standard_descriptors()
        configure_logging()
        preload(netd, without=["client", "commands", "share"])
        return _serve(find_config(arguments.config))
    except (OSError, MemoryError) as error:  # of the start: the loop outlives those of a callback
        reason = describe(error) if isinstance(error, OSError) else "out of memory"
        raise SystemFailureError(f"cannot run: {reason}") from error


def _serve(path: str) -> int:
    loop = Loop(EpollPoller(), on_error=log_unexpected)
    supervisor = Supervisor(
        loop,
        KINDS,
        take_passed(os.environ),
        load=ConfigReader(loop, lambda: load(path), KINDS).begin,
        control_path=lambda config: daemon_control_path(config.netd.control),
    )
    return supervisor.run()


def load(path: str) -> Config:
    """Read a configuration and check the files that it names."""
    from netd.config.check import read_checked  # noqa: PLC0415 (pydantic: only in a subprocess)

    return read_checked(path, KINDS)
