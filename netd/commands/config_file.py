"""The option `--config` of commands, and the control socket of the daemon that runs that file."""

from __future__ import annotations

import argparse

from netd.config.paths import client_control_path, find_config
from netd.errors import ConfigError


def add_config_option(parser: argparse.ArgumentParser) -> None:
    """Add `--config`."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="the configuration (default: /etc/netd.toml, else ~/.config/netd/netd.toml)",
    )


def control_path(arguments: argparse.Namespace) -> str:
    """The path of the control socket of the running daemon."""
    try:
        path = find_config(arguments.config)
    except ConfigError:  # the daemon may run any file, with `netd run --config`
        path = ""
    return client_control_path(path)
