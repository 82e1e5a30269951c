"""Whether an engine, by its settings, could lose lines that it has acknowledged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from netd.listeners.chat.cluster.resp import Reply, pairs

ASKED: Final = ("appendonly", "appendfsync", "maxmemory", "maxmemory-policy")
"""The settings to read with CONFIG GET."""
ASKED_OF_DEFAULT: Final = ("ACL", "GETUSER", "default")
"""The command for the permissions of the default user, with which Redis 7.0 loads its log."""


def asked_settings(reply: Reply) -> dict[str, str] | None:
    """The settings of a reply to CONFIG GET; None if the engine does not say."""
    try:
        return {name.decode(): value.decode() for name, value in pairs(reply).items()}
    except ValueError:
        return None


def weaknesses_of_default(reply: Reply) -> Iterator[str]:
    """As `weaknesses`, of a reply to ASKED_OF_DEFAULT; none if the engine does not say."""
    match reply:
        case [*fields] if b"commands" in fields[:-1:2]:
            if fields[fields.index(b"commands") + 1] != b"+@all":
                yield (
                    "the user `default` may not execute all commands, so Redis 7.0 cannot load "
                    "its log again when it is restarted; set `user default off ~* &* +@all`"
                )


def weaknesses(settings: Mapping[str, str]) -> Iterator[str]:
    """The settings by which acknowledged lines can be lost, with the line that changes them."""
    if settings.get("appendonly") != "yes":
        yield (
            "the engine writes no log: a restart loses what was said since its last snapshot; "
            "set `appendonly yes`"
        )
    elif settings.get("appendfsync") != "always":
        yield (
            "the engine flushes its log to the disk every second or less often: a crash of its "
            "host loses what was said since then; set `appendfsync always`, or accept that"
        )
    policy = settings.get("maxmemory-policy", "noeviction")
    if settings.get("maxmemory", "0") != "0" and policy != "noeviction":
        yield (
            f"the engine removes keys when its memory is full (`maxmemory-policy {policy}`), and "
            "with them the room; set `maxmemory-policy noeviction`"
        )
