"""The `netd` command: parses the arguments, runs a command, and exits.

The exit status is one of sysexits.h: 64 for a wrong command line, 69 if something needed is
unavailable (a taken port, no daemon), 71 if the system has no room for the daemon, 78 for a
configuration that cannot be used; or 1 if the daemon or a listener is degraded.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Container
from importlib import import_module
from typing import Final, NoReturn

import netd
from netd.commands.output import show
from netd.errors import ConfigError, IdentityError, NetdError, SystemFailureError, UsageError

COMMANDS: Final = {
    "run": "Serve until a signal stops the daemon.",
    "check": "Find every fault of the configuration.",
    "reload": "Apply the changed configuration and wait for the outcome.",
    "upgrade": "Run the installed version in the daemon's process; its clients stay connected.",
    "status": "Show listeners and workers; exit 1 if one is degraded or a reload was refused.",
    "probe": "Use listeners or other servers as a client; exit 1 if one does not work.",
    "config": "Print a configuration or its schema.",
    "account": "Show or change the accounts that users of a chat listener have registered.",
    "setup": "Install units, manuals and completions where no package has done so.",
    "backup": "Write the configuration and the databases to one file.",
    "passwd": "Prompt for a password and print its hash, for the configuration.",
}
"""The names of the commands, and of their modules in `netd.commands`, with what they do."""

_EXIT_STATUSES: Final[dict[type[NetdError], int]] = {
    ConfigError: os.EX_CONFIG,
    IdentityError: os.EX_USAGE,
    SystemFailureError: os.EX_OSERR,
    UsageError: os.EX_USAGE,
}


def main() -> NoReturn:
    """Run the command line of this process."""
    arguments = build_parser(sys.argv[1:]).parse_args()
    try:
        status = arguments.run(arguments)
    except NetdError as error:
        _complain(error)
        status = _EXIT_STATUSES.get(type(error), os.EX_UNAVAILABLE)
    except KeyboardInterrupt:
        status = os.EX_OK
    except BrokenPipeError:  # the reader of the output has exited, as in `netd status | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = os.EX_OK
    sys.exit(status)


class _Parser(argparse.ArgumentParser):
    """On a usage error exits with EX_USAGE and names the command to run next."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(os.EX_USAGE, f"{self.prog}: {message}; try `{self.prog} --help`\n")


def build_parser(words: Container[str] = COMMANDS) -> argparse.ArgumentParser:
    """The parser of a command line that consists of these words.

    It knows all commands, but the arguments of those alone that are among the words: their modules
    are imported. By default it knows all: the manual page is generated from it, and tests compare
    the shell completions with it.
    """
    parser = _new_parser()
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        if name in words:
            module = import_module(f"netd.commands.{name}")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser


def _new_parser() -> _Parser:
    parser = _Parser(
        prog="netd",
        description="Echo, chat and HTTP services as one daemon.",
        epilog="Exit status: 0 success, 1 a listener is degraded, 64 usage, 69 unavailable, "
        "71 the system refuses a resource, 78 the configuration cannot be used. "
        "The manual: netd(8), netd.toml(5).",
    )
    version = f"netd {netd.__version__}"
    parser.add_argument("--version", action="version", version=version, help="show the version")
    return parser


def _complain(error: NetdError) -> None:
    for line in str(error).split("\n"):
        show(f"netd: {line}" if not isinstance(error, ConfigError) else line, sys.stderr)
