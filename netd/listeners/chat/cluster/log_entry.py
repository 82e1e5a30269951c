"""An entry of the log as the engine stores it: the inputs of one node in one turn of its loop."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from netd.listeners.chat.cluster.log_position import Position, parse_position
from netd.listeners.chat.cluster.resp import Reply


class EntryKind(enum.Enum):
    """The kind of an entry; the value is in the log."""

    INPUTS = b"i"
    """Inputs of members of a node."""
    JOINED = b"j"
    """A node has joined, as a new incarnation."""
    KEPT = b"c"
    """A snapshot was kept: `first` is the number of the last entry in it, `incarnation` its
    digest."""
    LOST = b"l"
    """A node has not renewed its deadline, or has left: its members leave."""
    LEVEL = b"v"
    """All nodes can apply the rules of level `first` (`room.level`), which are in force now;
    `incarnation` is the version of a node that can."""
    MOVED = b"m"
    """A node has ended, and another one has its clients: `incarnation` is the name of that one, and
    `first` the number of the last input that the log has of the node which has ended."""
    UNKNOWN = b""
    """The entry is damaged, or of a later version: all nodes skip it."""


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry."""

    position: Position
    kind: EntryKind
    node: str
    incarnation: str
    time_ms: int
    """The engine's clock in milliseconds since the epoch of Unix; it never runs back in the log."""
    first: int = 0
    """The sequence number of the first input; those of a node are dense."""
    inputs: tuple[bytes, ...] = ()
    reason: str = ""
    """Why a node has left; empty if it has not renewed its deadline."""


_INPUT: Final = b"p"
_MAX_TIME_MS: Final = 1000 << 37  # a year of four digits


def parse_entry(reply: Reply) -> LogEntry:
    """Read an entry of a reply to XRANGE or XREAD. Raises ValueError if it has no position."""
    match reply:
        case [bytes() as name, [*fields]]:
            position = parse_position(name)
        case _:
            raise ValueError("the engine's reply has no entry of the log")
    try:
        return _parse(position, fields)
    except ValueError:
        return LogEntry(position, EntryKind.UNKNOWN, "", "", 0)


def _parse(position: Position, fields: Sequence[object]) -> LogEntry:
    if len(fields) % 2:
        raise ValueError(f"{position}: a name without a value")
    heads: dict[object, object] = {}
    inputs = []
    for name, value in zip(fields[::2], fields[1::2], strict=True):
        if not isinstance(value, bytes):
            raise ValueError(f"{position}: a value is no text")  # noqa: TRY004 (as for all faults)
        if name == _INPUT:
            inputs.append(value)
        else:
            heads[name] = value
    try:
        time_ms = int(_text(heads[b"t"]))
        if not 0 < time_ms < _MAX_TIME_MS:
            raise ValueError(f"{position}: not a time")
        return LogEntry(
            position,
            EntryKind(heads[b"k"]),
            _text(heads[b"n"]),
            _text(heads[b"i"]),
            time_ms,
            int(_text(heads.get(b"s", b"0"))),
            tuple(inputs),
            _text(heads.get(b"r", b"")),
        )
    except KeyError as error:
        raise ValueError(f"{position}: the entry has no field {error}") from None


def _text(value: object) -> str:
    assert isinstance(value, bytes)
    return value.decode()
