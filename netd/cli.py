"""The `netd` command: parses the arguments, connects the parts, and exits.

Only this module decides the exit status (sysexits.h): 64 for a wrong command line, 69 if something
needed is unavailable (a taken port, no daemon), 71 if the system has no room for the daemon, 78 for
a configuration that cannot be used, 1 if the daemon or a listener is degraded.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Callable
from typing import Any, Final, NoReturn, TextIO

import netd
from netd import account_command, check_command, probe_command, setup_command
from netd.config.model import Config
from netd.config.paths import client_control_path, daemon_control_path, find_config
from netd.config.source import Source, read_source
from netd.errors import (
    ConfigError,
    ControlError,
    IdentityError,
    NetdError,
    SystemFailureError,
    UsageError,
)
from netd.listeners.kinds import KINDS
from netd.password_prompt import read_password
from netd.protocols.control import ControlCommand
from netd.protocols.password import hash_password
from netd.protocols.scram_keys import derive_keys
from netd.runtime.errnos import describe
from netd.runtime.journal import configure_logging, log_unexpected
from netd.runtime.loop import Loop
from netd.runtime.poller import EpollPoller
from netd.runtime.preloaded_code import preload
from netd.runtime.process import open_standard_descriptors
from netd.runtime.systemd import take_passed
from netd.status_text import format_rates, format_status
from netd.supervisor.config_reader import ConfigReader
from netd.supervisor.control_client import NoReplyError, request_status, send_request
from netd.supervisor.supervisor import Supervisor

_UPGRADE_TIMEOUT_S: Final = 120.0
_START_POLL_S: Final = 0.05
_RELOAD_TIMEOUT_S: Final = 120.0
_WATCH_PERIOD_S: Final = 1.0
_HOME: Final = "\x1b[H"  # a cleared screen would flicker (ECMA-48)
_CLEAR_LINE: Final = "\x1b[K"
_CLEAR_BELOW: Final = "\x1b[J"
_UNPRINTABLE: Final = re.compile(r"[^\x20-\x7e\n]")  # or a letter; see _escape
EX_DEGRADED: Final = 1
_EXIT_STATUSES: Final[dict[type[NetdError], int]] = {
    ConfigError: os.EX_CONFIG,
    IdentityError: os.EX_USAGE,
    SystemFailureError: os.EX_OSERR,
    UsageError: os.EX_USAGE,
}


def main() -> NoReturn:
    """Run the command line of this process."""
    arguments = build_parser().parse_args()
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


AddCommand = Callable[[str, Callable[[argparse.Namespace], int], str], _Parser]


def build_parser() -> argparse.ArgumentParser:
    """The whole command line.

    The manual page is generated from it, and tests compare the shell completions with it.
    """
    parser = _new_parser()
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, run: Callable[[argparse.Namespace], int], text: str) -> _Parser:
        command: _Parser = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        if run not in (_passwd, _setup):
            command.add_argument(
                "--config",
                metavar="FILE",
                help="the configuration (default: /etc/netd.toml, else ~/.config/netd/netd.toml)",
            )
        return command

    _add_daemon_commands(add)
    _add_file_commands(add)
    return parser


def _add_daemon_commands(add: AddCommand) -> None:
    """Add the commands that are the daemon, or use a running one."""
    add("run", _run, "Serve until a signal stops the daemon.")
    text = "Find every fault of the configuration."
    check_command.add_arguments(add("check", _check, text))
    text = "Apply the changed configuration and wait for the outcome."
    add("reload", _reload, text).add_argument(
        "--quiet",
        action="store_true",
        help="print no outcome: the daemon logs it, and the exit status is 78 for a refusal",
    )
    text = "Run the installed version in the daemon's process; its clients stay connected."
    add("upgrade", _upgrade, text)
    text = "Show listeners and workers; exit 1 if one is degraded or a reload was refused."
    form = add("status", _status, text).add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON, for programs")
    form.add_argument(
        "--watch", action="store_true", help="show it again every second, until interrupted"
    )
    text = "Use listeners or other servers as a client; exit 1 if one does not work."
    probe_command.add_arguments(add("probe", _probe, text))


def _add_file_commands(add: AddCommand) -> None:
    """Add the commands that read or write files."""
    add("config", _config, "Print a configuration or its schema.").add_argument(
        "what",
        choices=("show", "default", "schema"),
        help="show: every value in effect; default: every key, explained; schema: JSON Schema",
    )
    text = "Show or change the accounts that users of a chat listener have registered."
    account_command.add_arguments(add("account", _account, text))
    text = "Install units, manuals and completions where no package has done so."
    setup_command.add_arguments(add("setup", _setup, text))
    text = "Write the configuration and the databases to one file."
    backup = add("backup", _backup, text)
    backup.add_argument("file", metavar="FILE", help="the file, an archive that tar(1) reads")
    text = "Prompt for a password and print its hash, for the configuration."
    add("passwd", _passwd, text).add_argument(
        "--scram",
        action="store_true",
        help="print keys of SCRAM-SHA-256, which chat clients can log in with too",
    )


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


def _run(arguments: argparse.Namespace) -> int:
    try:
        open_standard_descriptors()
        configure_logging()
        preload(netd, without=["client", "share"])
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
        load=ConfigReader(loop, lambda: check_command.load(path), KINDS).begin,
        control_path=daemon_control_path,
    )
    return supervisor.run()


def _check(arguments: argparse.Namespace) -> int:
    report = check_command.run(
        arguments.user, find_config(arguments.config), lambda text: _print(text, sys.stderr)
    )
    print(report)
    return os.EX_OK


def _reload(arguments: argparse.Namespace) -> int:
    reply = send_request(_control_path(arguments), ControlCommand.RELOAD, _RELOAD_TIMEOUT_S)
    status = os.EX_CONFIG if reply.error else os.EX_OK
    if arguments.quiet:
        return status
    if reply.error:
        _print(reply.error, sys.stderr)
    else:
        _print(f"reloaded: {reply.body.get('detail', '')}")
    return status


def _upgrade(arguments: argparse.Namespace) -> int:
    path = _control_path(arguments)
    try:
        reply = send_request(path, ControlCommand.UPGRADE, _UPGRADE_TIMEOUT_S)
    except NoReplyError:  # the process runs the new program
        status = _await_status(path)
        _print(f"upgraded: netd {status['version']} serves, pid {status['pid']}")
        return os.EX_OK
    _print(reply.error, sys.stderr)
    return os.EX_CONFIG


def _await_status(path: str) -> dict[str, Any]:
    """The status of a daemon that starts, once its listeners are in force.

    Raises ControlError if they are not within two minutes.
    """
    deadline = time.monotonic() + _UPGRADE_TIMEOUT_S
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
        time.sleep(_START_POLL_S)


def _status(arguments: argparse.Namespace) -> int:
    path = _control_path(arguments)
    status = request_status(path)
    if arguments.watch:
        return _watch(path, status)
    _print(json.dumps(status, indent=2) if arguments.json else format_status(status))
    return EX_DEGRADED if _is_degraded(status) else os.EX_OK


def _watch(path: str, status: dict[str, Any]) -> NoReturn:
    """Show the status and the rates in place, until the user interrupts."""
    before = status
    while True:
        text = f"{format_status(status)}\n\n{format_rates(before, status)}"
        lines = _escaped(text).split("\n")
        print(_HOME, *(f"{line}{_CLEAR_LINE}\n" for line in lines), _CLEAR_BELOW, sep="", end="")
        sys.stdout.flush()
        time.sleep(_WATCH_PERIOD_S)
        before, status = status, request_status(path)


def _is_degraded(status: dict[str, Any]) -> bool:
    """Whether a listener is degraded, or the file was refused and is not in effect."""
    outcome = status["last_reload"]
    return status["state"] == "degraded" or bool(outcome and not outcome["ok"])


def _probe(arguments: argparse.Namespace) -> int:
    works = probe_command.run(arguments, lambda: request_status(_control_path(arguments)), _print)
    return os.EX_OK if works else EX_DEGRADED


def _config(arguments: argparse.Namespace) -> int:
    from netd.config import document, json_schema  # noqa: PLC0415 (heavy, used here only)

    match arguments.what:
        case "default":
            print(document.default_text(KINDS), end="")
        case "schema":
            print(json.dumps(json_schema.json_schema(KINDS), indent=2))
        case "show":
            config = _read(read_source(find_config(arguments.config)))
            print(document.effective_text(config), end="")
    return os.EX_OK


def _passwd(arguments: argparse.Namespace) -> int:
    make = derive_keys if arguments.scram else hash_password
    print(make(read_password(), os.urandom(16)))
    return os.EX_OK


def _setup(arguments: argparse.Namespace) -> int:
    _print(setup_command.run(arguments))
    return os.EX_OK


def _backup(arguments: argparse.Namespace) -> int:
    from netd import backup_command  # noqa: PLC0415 (SQLite, used here only)

    source = read_source(find_config(arguments.config))
    _print(backup_command.run(arguments.file, _read(source), source))
    return os.EX_OK


def _account(arguments: argparse.Namespace) -> int:
    path = find_config(arguments.config)
    for line in account_command.run(arguments, _read(read_source(path)), path):
        _print(line)
    return os.EX_OK


def _read(source: Source) -> Config:
    """The configuration for a command: faults of files that it names do not matter.

    A certificate, for example, may be missing.
    """
    from netd.config.load import config_of  # noqa: PLC0415 (pydantic: not for the daemon)

    return config_of(source, KINDS)


def _control_path(arguments: argparse.Namespace) -> str:
    try:
        path = find_config(arguments.config)
    except ConfigError:  # the daemon may run any file, with `netd run --config`
        path = ""
    return client_control_path(path)


def _complain(error: NetdError) -> None:
    for line in str(error).split("\n"):
        _print(f"netd: {line}" if not isinstance(error, ConfigError) else line, sys.stderr)


def _print(text: str, file: TextIO | None = None) -> None:
    """Print text from a file or another process, with its control characters escaped."""
    print(_escaped(text), file=file, flush=True)


def _escaped(text: str) -> str:
    return _UNPRINTABLE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    return match[0] if match[0].isprintable() else match[0].encode("unicode_escape").decode()
