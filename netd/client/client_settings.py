"""Reads the settings: the command line overrides chat.toml, which overrides the defaults."""

from __future__ import annotations

import argparse
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import netd
from netd.client.core.client_state import Identity, is_channel
from netd.client.core.endpoint import Endpoint, local_endpoints, parse
from netd.errors import NetdError

# Surrogates stand for the bytes of an argument that is not UTF-8 (PEP 383).
_FORBIDDEN_IN_NICK: Final = re.compile("[ ,*?!@#:\0\r\n\x07\ud800-\udfff]")
_FORBIDDEN_IN_CHANNEL: Final = re.compile("[ ,\0\r\n\x07\ud800-\udfff]")
_TYPE_NAMES: Final = {str: "text", int: "a whole number", bool: "true or false", list: "a list"}

# The keys of chat.toml and their types; an option with the same name overrides the key.
KEYS: Final[dict[str, type]] = {
    "name": str,
    "address": str,
    "host": str,
    "port": int,
    "tls": bool,
    "ca_file": str,
    "certificate": str,
    "channel": list,
    "password_file": str,
    "server_password_file": str,
    "scram": bool,
    "quiet": bool,
    "ignore": list,
    "highlight": list,
    "bell": bool,
    "history": int,
    "plain": bool,
    "log": bool,
    "remember": bool,
}


class UsageError(NetdError):
    """The command line or the settings file is invalid."""


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """The settings of one run."""

    identity: Identity
    endpoints: tuple[Endpoint, ...]
    tls: bool = False
    ca_file: str = ""
    certificate: str = ""
    is_quiet: bool = False
    ignored: tuple[str, ...] = ()
    highlights: tuple[str, ...] = ()  # words that make a message one for the user
    bell: bool = True
    plain: bool = False  # lines above a prompt instead of a full screen
    log: bool = False
    remember: bool = True  # typed lines and conversations, for the next run
    is_interactive: bool = True  # False: deliver `text` or the lines of standard input
    text: str | None = None
    json: bool = False
    timeout_s: float = 30.0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; try `{self.prog} --help`")


def build_parser() -> argparse.ArgumentParser:
    """Return the command line's parser, of which the manual page is generated."""
    parser = _Parser(
        prog="netd-chat",
        description="Chat in a channel of netd or of any other IRC server.",
        epilog="On a terminal it is interactive; from a pipe it sends every line as a message. "
        "Exit status: 0 delivered, 1 refused by the server, 2 invalid usage, 3 no connection.",
    )
    add = parser.add_argument
    add("address", nargs="?", help="the server: host:port, tcp://host:port or unix:///path")
    version = f"netd-chat {netd.__version__}"
    add("--version", action="version", version=version, help="show the version")
    add("--name", metavar="NICK", help="your nick (default: your login name)")
    add("--host", help="the server's host name (default: the local netd)")
    add("--port", type=int, help="the server's port (default: 6667, with --tls 6697)")
    add("--tls", action="store_true", default=None, help="use TLS, and verify the server")
    add("--ca-file", metavar="FILE", help="trust these CA certificates, not the system's")
    add("--certificate", metavar="FILE", help="log in with this certificate and key (PEM)")
    add(
        "--channel",
        action="append",
        metavar="CHANNEL",
        help="a channel to join (default: #lounge); repeatable",
    )
    add("--password-file", metavar="FILE", help="file with the server's or your account's password")
    text = "file with the server's password, if --password-file has your account's"
    add("--server-password-file", metavar="FILE", help=text)
    add("--scram", action="store_true", default=None, help="log in without sending the password")
    add("--send", metavar="TEXT", help="send one message, wait for its confirmation, and leave")
    add("--json", action="store_true", help="print every event as a line of JSON")
    add(
        "--timeout",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="how long to wait for the server (default: 30)",
    )
    add("--quiet", action="store_true", default=None, help="hide join and leave notices")
    add(
        "--plain", action="store_true", default=None, help="print lines, without a full-screen view"
    )
    add("--config", metavar="FILE", help="settings file (default: ~/.config/netd/chat.toml)")
    return parser


def read_settings(
    argv: list[str], environ: Mapping[str, str], login: str, *, at_terminal: bool
) -> ClientSettings:
    """Read the command line and the settings file. Raises UsageError with the reason."""
    arguments = build_parser().parse_args(argv)
    _check(arguments)
    values = _read_values(arguments, environ)
    if values.get("certificate") and not values.get("tls"):
        raise UsageError("a certificate is shown under TLS only; add --tls")
    if values.get("scram") and not values.get("password_file"):
        raise UsageError("--scram proves that you know a password; add --password-file")
    is_interactive = at_terminal and arguments.send is None and not arguments.json
    return ClientSettings(
        identity=_identity(values, login, is_interactive=is_interactive),
        endpoints=_endpoints(values, environ),
        tls=values.get("tls", False),
        ca_file=os.path.expanduser(values.get("ca_file", "")),
        certificate=os.path.expanduser(values.get("certificate", "")),
        is_quiet=values.get("quiet", False),
        ignored=tuple(values.get("ignore", ())),
        highlights=tuple(values.get("highlight", ())),
        bell=values.get("bell", True),
        plain=values.get("plain", False),
        log=values.get("log", False),
        remember=values.get("remember", True),
        is_interactive=is_interactive,
        text=_utf8(arguments.send),
        json=arguments.json,
        timeout_s=arguments.timeout,
    )


def _check(arguments: argparse.Namespace) -> None:
    if not arguments.timeout > 0:  # "nan" is not above 0 either
        raise UsageError("--timeout must be above 0")
    if arguments.send is not None and not arguments.send.strip():
        raise UsageError("--send needs a text that is not blank")


def _read_values(arguments: argparse.Namespace, environ: Mapping[str, str]) -> dict[str, Any]:
    path = arguments.config or _default_path(environ)
    values = _read_file(path, must_exist=bool(arguments.config))
    if arguments.address or arguments.host:  # the server's address is one value: override all of it
        for key in ("address", "host", "port"):
            values.pop(key, None)
    given = {key: getattr(arguments, key, None) for key in KEYS}
    return values | {key: value for key, value in given.items() if value is not None}


def _utf8(argument: str | None) -> str | None:
    """Decode the argument as UTF-8 in any locale (PEP 383)."""
    return argument and argument.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _default_path(environ: Mapping[str, str]) -> str:
    base = environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return f"{base}/netd/chat.toml"


def _read_file(path: str, *, must_exist: bool) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            values = tomllib.load(file)
    except FileNotFoundError as error:
        if must_exist:
            raise UsageError(f"{path}: no such file") from error
        return {}
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from error
    return {key: _checked(path, key, value) for key, value in values.items()}


def _checked(path: str, key: str, value: object) -> object:
    expected = KEYS.get(key)
    if expected is None:
        raise UsageError(f"{path}: {key}: no such key; there are {', '.join(KEYS)}")
    if expected is list and isinstance(value, str):
        value = [value]
    is_valid = type(value) is expected  # not isinstance: a bool is an int
    if isinstance(value, list):
        is_valid = is_valid and all(isinstance(item, str) for item in value)
    if not is_valid:
        raise UsageError(f"{path}: {key}: must be {_TYPE_NAMES[expected]}, not {value!r}")
    if "\0" in "".join(value if isinstance(value, list) else [str(value)]):
        raise UsageError(f"{path}: {key}: {value!r} holds a NUL")
    return value


def _identity(values: Mapping[str, Any], login: str, *, is_interactive: bool) -> Identity:
    name = values.get("name") or _nick_from(login)
    if _FORBIDDEN_IN_NICK.search(name) or name[:1].isdecimal() or name[:1] in "-$":
        raise UsageError(f"{name!r} cannot be a name; choose another with --name")
    channels = tuple(values.get("channel") or ("#lounge",))
    for channel in channels:
        if _FORBIDDEN_IN_CHANNEL.search(channel):
            raise UsageError(f"{channel!r} cannot be a channel")
    return Identity(
        name=name,
        channels=tuple(c if is_channel(c) else f"#{c}" for c in channels),
        password=_password(values.get("password_file", "")),
        server_password=_password(values.get("server_password_file", "")),
        has_certificate=bool(values.get("certificate")),
        uses_scram=values.get("scram", False),
        may_rename=is_interactive,
        history_lines=values.get("history", 50) if is_interactive else 0,
    )


def _nick_from(login: str) -> str:
    return "".join(char if char.isalnum() or char in "_-" else "_" for char in login)


def _password(path: str) -> str:
    if not path:
        return ""
    try:
        with open(os.path.expanduser(path), encoding="utf-8") as file:
            return file.readline().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"password file {path}: {error}") from error


def _endpoints(values: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[Endpoint, ...]:
    tls, host, port = values.get("tls", False), values.get("host"), values.get("port")
    if values.get("address") and (host or port is not None):
        raise UsageError("give an address, or --host and --port, not both")
    try:
        if values.get("address"):
            return (parse(values["address"], tls=tls),)
        if host or port is not None:
            bracketed = f"[{host}]" if host and ":" in host else host or "127.0.0.1"
            return (parse(f"{bracketed}:{port}" if port is not None else bracketed, tls=tls),)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return local_endpoints(environ)
