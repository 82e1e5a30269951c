"""What netd-chat is told: the command line over ~/.config/netd/chat.toml over its defaults."""

from __future__ import annotations

import argparse
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import netd
from netd.client.endpoint import Endpoint, local_endpoints, parse
from netd.client.state import Identity, is_channel
from netd.errors import NetdError

# With the surrogates, in which an argument's bytes stand that are no UTF-8 (PEP 383).
_FORBIDDEN_IN_NICK: Final = re.compile("[ ,*?!@#:\0\r\n\x07\ud800-\udfff]")
_FORBIDDEN_IN_CHANNEL: Final = re.compile("[ ,\0\r\n\x07\ud800-\udfff]")
_TYPE_NAMES: Final = {str: "text", int: "a whole number", bool: "true or false", list: "a list"}

# The keys of chat.toml, which are the options' names as well.
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
    "quiet": bool,
    "ignore": list,
    "bell": bool,
    "history": int,
}


class UsageError(NetdError):
    """A command line or a settings file that makes no sense."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything settled before the first connection."""

    identity: Identity
    endpoints: tuple[Endpoint, ...]
    tls: bool = False
    ca_file: str = ""
    certificate: str = ""
    is_quiet: bool = False
    ignored: tuple[str, ...] = ()
    bell: bool = True
    is_talk: bool = True
    """Whether a person talks; else each line, or the one `text`, is delivered."""
    text: str | None = None
    json: bool = False
    timeout_s: float = 30.0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; try `{self.prog} --help`")


def build_parser() -> argparse.ArgumentParser:
    """The command line; the manual page is made of it, the completions are held to it."""
    parser = _Parser(
        prog="netd-chat",
        description="Talk in a chat room: netd's own, or any IRC server's.",
        epilog="On a terminal you talk; from a pipe each line is sent as a message. "
        "Exit status: 0 delivered, 1 refused by the server, 2 usage, 3 cannot connect.",
    )
    add = parser.add_argument
    add("address", nargs="?", help="the server: host:port, tcp://host:port or unix:///path")
    version = f"netd-chat {netd.__version__}"
    add("--version", action="version", version=version, help="show the version")
    add("--name", metavar="NICK", help="your name in the room (default: your login name)")
    add("--host", help="the server's name (default: the local netd)")
    add("--port", type=int, help="its port (default: 6667, with --tls 6697)")
    add("--tls", action="store_true", default=None, help="encrypt, and check the certificate")
    add("--ca-file", metavar="FILE", help="trust these certificates instead of the system's")
    add("--certificate", metavar="FILE", help="log in with this certificate and its key, in PEM")
    add(
        "--channel",
        action="append",
        metavar="CHANNEL",
        help="join it (default: #lounge); may repeat",
    )
    add("--password-file", metavar="FILE", help="the server's or your account's password")
    add("--send", metavar="TEXT", help="send one message, confirm it, and leave")
    add("--json", action="store_true", help="print what happens as JSON, a line each")
    add(
        "--timeout",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="how long to wait for the server (default: 30)",
    )
    add("--quiet", action="store_true", default=None, help="do not tell who joins and leaves")
    add("--config", metavar="FILE", help="settings (default: ~/.config/netd/chat.toml)")
    return parser


def read(argv: list[str], environ: Mapping[str, str], login: str, *, at_terminal: bool) -> Settings:
    """Settle everything; UsageError says what is wrong."""
    arguments = build_parser().parse_args(argv)
    is_talk = at_terminal and arguments.send is None and not arguments.json
    if not arguments.timeout > 0:  # nor is it "nan"
        raise UsageError("--timeout must be above 0")
    path = arguments.config or _default_path(environ)
    told = _read_file(path, must_exist=bool(arguments.config))
    if arguments.address or arguments.host:  # where to go is one thing: all from here or all there
        told = {key: value for key, value in told.items() if key not in ("address", "host", "port")}
    told |= {key: given for key in KEYS if (given := getattr(arguments, key, None)) is not None}
    if told.get("certificate") and not told.get("tls"):
        raise UsageError("a certificate is shown under TLS only; add --tls")
    return Settings(
        identity=_identity(told, login, is_talk=is_talk),
        endpoints=_endpoints(told, environ),
        tls=told.get("tls", False),
        ca_file=os.path.expanduser(told.get("ca_file", "")),
        certificate=os.path.expanduser(told.get("certificate", "")),
        is_quiet=told.get("quiet", False),
        ignored=tuple(told.get("ignore", ())),
        bell=told.get("bell", True),
        is_talk=is_talk,
        text=_utf8(arguments.send),
        json=arguments.json,
        timeout_s=arguments.timeout,
    )


def _utf8(argument: str | None) -> str | None:
    """What was typed, also where the locale did not understand its bytes (PEP 383)."""
    return argument and argument.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _default_path(environ: Mapping[str, str]) -> str:
    base = environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return f"{base}/netd/chat.toml"


def _read_file(path: str, *, must_exist: bool) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            told = tomllib.load(file)
    except FileNotFoundError as error:
        if must_exist:
            raise UsageError(f"{path}: no such file") from error
        return {}
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from error
    return {key: _checked(path, key, value) for key, value in told.items()}


def _checked(path: str, key: str, value: object) -> object:
    wanted = KEYS.get(key)
    if wanted is None:
        raise UsageError(f"{path}: {key}: no such key; there are {', '.join(KEYS)}")
    if wanted is list and isinstance(value, str):
        value = [value]
    is_right = type(value) is wanted  # not isinstance: true is no whole number
    if not is_right or (isinstance(value, list) and not all(isinstance(v, str) for v in value)):
        raise UsageError(f"{path}: {key}: must be {_TYPE_NAMES[wanted]}, not {value!r}")
    if "\0" in "".join(value if isinstance(value, list) else [str(value)]):
        raise UsageError(f"{path}: {key}: {value!r} holds a NUL")
    return value


def _identity(told: Mapping[str, Any], login: str, *, is_talk: bool) -> Identity:
    name = told.get("name") or "".join(
        each if each.isalnum() or each in "_-" else "_" for each in login
    )
    if _FORBIDDEN_IN_NICK.search(name) or name[:1].isdecimal() or name[:1] in "-$":
        raise UsageError(f"{name!r} cannot be a name in a room; choose one with --name")
    channels = tuple(told.get("channel") or ("#lounge",))
    for channel in channels:
        if _FORBIDDEN_IN_CHANNEL.search(channel):
            raise UsageError(f"{channel!r} cannot be a channel")
    return Identity(
        name=name,
        channels=tuple(each if is_channel(each) else f"#{each}" for each in channels),
        password=_password(told.get("password_file", "")),
        has_certificate=bool(told.get("certificate")),
        may_rename=is_talk,
        history_lines=told.get("history", 50) if is_talk else 0,
    )


def _password(path: str) -> str:
    if not path:
        return ""
    try:
        with open(os.path.expanduser(path), encoding="utf-8") as file:
            return file.readline().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"password file {path}: {error}") from error


def _endpoints(told: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[Endpoint, ...]:
    tls, host, port = told.get("tls", False), told.get("host"), told.get("port")
    if told.get("address") and (host or port is not None):
        raise UsageError("give an address, or --host and --port, not both")
    try:
        if told.get("address"):
            return (parse(told["address"], tls=tls),)
        if host or port is not None:
            bracketed = f"[{host}]" if host and ":" in host else host or "127.0.0.1"
            return (parse(f"{bracketed}:{port}" if port is not None else bracketed, tls=tls),)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return local_endpoints(environ)
