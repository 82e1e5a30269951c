"""Reads replies of the engine to a node: a snapshot, entries, its run id, and refusals."""

from __future__ import annotations

from typing import Final

from netd.listeners.chat.cluster.engine_contract import EngineSettings
from netd.listeners.chat.cluster.log_entry import LogEntry, parse_entry
from netd.listeners.chat.cluster.log_position import START, Position
from netd.listeners.chat.cluster.resp import Reply, ReplyError, pairs
from netd.listeners.chat.cluster.scripts import LEVEL

_RUN_ID: Final = b"run_id:"  # a line of the reply to INFO


def read_run_id(reply: Reply) -> bytes:
    """The run id of a reply to INFO; empty if it has none."""
    lines = reply.splitlines() if isinstance(reply, bytes) else ()
    return next((line.removeprefix(_RUN_ID) for line in lines if line.startswith(_RUN_ID)), b"")


def read_snapshot(reply: Reply) -> tuple[Position, bytes]:
    """The snapshot of a reply to HGETALL; START and b"" if there is none. Raises ValueError."""
    try:
        fields = pairs(reply)
        if not fields:
            return START, b""
        position = Position(int(fields[b"epoch"]), int(fields[b"number"]))
    except (ValueError, KeyError) as error:
        raise ValueError(f"the snapshot cannot be read: {error}") from None
    return position, fields.get(b"state", b"")


def read_entries(reply: Reply) -> list[LogEntry]:
    """The entries of a reply to XREAD. Raises ValueError."""
    match reply:
        case None:
            return []
        case [[bytes(), [*entries]]]:
            return [parse_entry(entry) for entry in entries]
    raise ValueError(f"the log cannot be read: {reply!s:.200}")


def describe_refusal(error: ReplyError, settings: EngineSettings) -> str:
    """The reason for which a script has refused a node."""
    match str(error).split(" "):
        case [code, level, version] if code == LEVEL:
            return describe_level(level, version, settings)
    return str(error)


def describe_level(level: int | str, version: str, settings: EngineSettings) -> str:
    """The reason for which a node cannot take part in a room of a higher level."""
    return (
        f"the chat has level {level}, as all its hosts had netd {version} or another version that "
        f"can apply it; netd {settings.version} of this host can apply level {settings.level}, "
        "and must be upgraded"
    )
