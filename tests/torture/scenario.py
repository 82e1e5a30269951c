"""The configuration of the daemon under test, and its variants that reloads put in force."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Final

CONTROL: Final = "control"
MOVED_CONTROL: Final = "control.moved"
DRAIN_S: Final = 1.0
PAGE: Final = b"a page that every client gets whole\n" * 8

LISTENERS: Final = ("echo", "thread", "chat", "web")

_TEXT: Final = """\
[netd]
control = "{directory}/{control}"
drain_timeout = "1s"
heartbeat_timeout = "4s"
start_timeout = "4s"

[listeners.echo]
kind = "echo"
address = [
    "tcp://127.0.0.1:0", "udp://127.0.0.1:0",
    "unix://{directory}/echo", "unixgram://{directory}/echo.dgram",
]
concurrency = "fork"
spare = 1
{echo}

[listeners.thread]
kind = "echo"
address = "tcp://127.0.0.1:0"
concurrency = "{thread}"
spare = 1

[listeners.chat]
kind = "chat"
address = ["tcp://127.0.0.1:0", "unix://{directory}/chat"]

[listeners.web]
kind = "http"
address = "tcp://127.0.0.1:0"
access_log = "{directory}/access.log"
workers = {workers}

[[listeners.web.routes]]
path = "/status"
status = true

[[listeners.web.routes]]
path = "/"
directory = "{directory}/www"
{extra}
"""


class Variant(enum.Enum):
    """The change that a reload makes."""

    NONE = enum.auto()
    LIVE = enum.auto()  # options that the running workers take
    WORKERS = enum.auto()  # a listener, a worker, and a replaced worker
    CONTROL = enum.auto()  # the path of the control socket
    SYNTAX = enum.auto()  # refused: no TOML
    TAKEN = enum.auto()  # refused: an address that cannot be bound


def configuration(directory: Path, variant: Variant = Variant.NONE) -> str:
    """The text of the configuration file; makes the files that it names."""
    (directory / "www").mkdir(exist_ok=True)
    (directory / "www" / "page.txt").write_bytes(PAGE)
    (directory / "taken").touch()
    live = variant is Variant.LIVE
    text = _TEXT.format(
        directory=directory,
        control=MOVED_CONTROL if variant is Variant.CONTROL else CONTROL,
        echo='backlog = 100\nsocket_mode = "0600"\nidle_timeout = "200s"' if live else "",
        thread="fork" if variant is Variant.WORKERS else "thread",
        workers=2 if variant is Variant.WORKERS else 1,
        extra=_extra(directory, variant),
    )
    return text + "[[[" if variant is Variant.SYNTAX else text


def _extra(directory: Path, variant: Variant) -> str:
    """One more listener, for the variants that have it."""
    path = {Variant.WORKERS: directory / "extra", Variant.TAKEN: directory / "taken"}.get(variant)
    if path is None:
        return ""
    addresses = f'["tcp://127.0.0.1:0", "unix://{path}"]'
    return f'[listeners.extra]\nkind = "echo"\naddress = {addresses}\nspare = 1\n'
