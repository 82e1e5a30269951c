"""`netd account`: shows and changes the accounts that users of a chat have registered."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator
from typing import Final

from netd.commands.config_file import add_config_option
from netd.commands.output import show
from netd.commands.password_prompt import read_password
from netd.config.load import config_of
from netd.config.model import Config
from netd.config.paths import find_config
from netd.config.source import read_source
from netd.config.state_directory import state_directory_of
from netd.errors import UsageError
from netd.listeners.chat.account_manager import AccountManager
from netd.listeners.chat.options import ChatOptions
from netd.listeners.chat.room.account_edits import EditKind
from netd.listeners.kinds import KINDS

_LIST: Final = "list"
_EDITS: Final = {
    "add": EditKind.ADD,
    "passwd": EditKind.PASSWORD,
    "suspend": EditKind.SUSPEND,
    "unsuspend": EditKind.UNSUSPEND,
    "drop": EditKind.DROP,
    "erase": EditKind.ERASE,
}
_NO_REASON: Final = "no reason given"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_config_option(parser)
    parser.add_argument(
        "action",
        choices=(_LIST, *_EDITS),
        help="list: show all; add: register an account; passwd: set its password; suspend, "
        "unsuspend: let nobody log in to it, or allow it again; drop: remove it; erase: make the "
        "name of a dropped account free",
    )
    parser.add_argument(
        "account", nargs="?", type=_text, metavar="ACCOUNT", help="the account to change"
    )
    parser.add_argument(
        "--listener",
        dest="chat",
        metavar="LISTENER",
        help="the chat listener (default: the only one)",
    )
    parser.add_argument(
        "--reason",
        type=_text,
        metavar="TEXT",
        default="",
        help="why it is suspended; its members see it",
    )


def run(arguments: argparse.Namespace) -> int:
    """Show or change the accounts."""
    path = find_config(arguments.config)
    for line in carry_out(arguments, config_of(read_source(path), KINDS), path):
        show(line)
    return os.EX_OK


def carry_out(arguments: argparse.Namespace, config: Config, path: str) -> Iterable[str]:
    """Carry out the command; yield the lines to print. `path` is that of the configuration."""
    options = _find_listener(config, arguments.chat)
    manager = AccountManager(options, state_directory_of(path))
    name: str = arguments.account or ""
    if arguments.action == _LIST and name:
        raise UsageError("account list shows all accounts; name none")
    if arguments.action == _LIST:
        yield from manager.list()
        return
    if not name:
        raise UsageError(f"account {arguments.action} needs the name of an account")
    kind = _EDITS[arguments.action]
    manager.check(kind, name)
    needs_password = kind in (EditKind.ADD, EditKind.PASSWORD)
    reason = (arguments.reason or _NO_REASON) if kind is EditKind.SUSPEND else ""
    done = manager.edit(kind, name, read_password() if needs_password else reason)
    yield f"{done}; a running chat takes it over within some seconds"


def _find_listener(config: Config, name: str | None) -> ChatOptions:
    chats = dict(_chats(config))
    if name is not None and name not in chats:
        raise UsageError(f"no chat listener is named {name}")
    if name is None and len(chats) != 1:
        names = ", ".join(chats) or "there is none"
        raise UsageError(f"name the chat listener with --listener: {names}")
    return chats[name] if name is not None else next(iter(chats.values()))


def _chats(config: Config) -> Iterator[tuple[str, ChatOptions]]:
    for name, options in config.listeners.items():
        if isinstance(options, ChatOptions):
            yield name, options


def _text(argument: str) -> str:
    """Refuse bytes that are not UTF-8: Python gives them as surrogates, which no table takes."""
    try:
        argument.encode()
    except UnicodeEncodeError as error:
        raise argparse.ArgumentTypeError(f"{argument!r} is not UTF-8 text") from error
    return argument
