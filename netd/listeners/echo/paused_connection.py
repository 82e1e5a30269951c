"""Connections between two slots, as objects and as saved state.

The bytes that are still to be sent stay in a sealed memory file, from the slot that received them
to the slot that sends them: up to a mebibyte for each connection is too much for a message between
processes, and for a state in JSON.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from netd.listeners.echo.relay import allow_waiting
from netd.listeners.kind import Handover
from netd.protocols.record import (
    FLAG,
    NUMBER,
    Record,
    load_integer,
    load_list,
    load_mapping,
    refuse_malformed,
)
from netd.runtime import sealed_memory

_MAX_UNSENT_BYTES: Final = 2**24  # many times a pipe's size


@dataclass(frozen=True, slots=True)
class PausedConnection:
    """A connection that no slot serves at present; it can go on in any process."""

    sock: socket.socket
    unsent: int | None
    """A descriptor: a sealed memory file of the bytes received and still to be sent, if any."""
    tag: bool
    """Whether pieces are tagged: the option when the connection was accepted."""
    is_admitted: bool
    """Whether the limits have been checked, and the connection is counted as accepted."""
    since: float
    """When it was accepted (`Loop.now`), for connection_timeout."""
    moved_at: float
    """When it last received or sent a byte (`Loop.now`), for idle_timeout."""

    def descriptors(self) -> list[int]:
        """The descriptors that belong to the connection."""
        return [self.sock.fileno(), *([] if self.unsent is None else [self.unsent])]

    def take_unsent(self) -> bytes:
        """Return the bytes that are to be sent, and close the memory file."""
        if self.unsent is None:
            return b""
        try:
            return sealed_memory.read(self.unsent, _MAX_UNSENT_BYTES)
        finally:
            os.close(self.unsent)

    def close(self) -> None:
        """Close the descriptors."""
        self.sock.close()
        if self.unsent is not None:
            os.close(self.unsent)


RECORD: Final = Record(
    PausedConnection,
    saved={"tag": FLAG, "is_admitted": FLAG, "since": NUMBER, "moved_at": NUMBER},
    unsaved=dict.fromkeys(("sock", "unsent"), "the position of its descriptor is saved"),
)
_DEFAULTS: Final[Mapping[str, Any]] = {"tag": False, "is_admitted": True}


@dataclass(frozen=True, slots=True)
class SavedConnection:
    """A connection whose descriptors have not arrived yet: their positions, and the rest."""

    sock: int
    unsent: int | None
    attributes: Mapping[str, Any]

    def take(self, descriptors: dict[int, int]) -> PausedConnection | None:
        """Take its descriptors out of the mapping; None if it is lost, since one is missing."""
        sock = open_socket(descriptors.pop(self.sock, None))
        unsent = None if self.unsent is None else descriptors.pop(self.unsent, None)
        if sock is not None and (self.unsent is None or _is_memory(unsent)):
            return PausedConnection(sock, unsent, **self.attributes)
        if sock is not None:
            sock.close()
        if unsent is not None:
            os.close(unsent)
        return None


def save(connections: Sequence[PausedConnection]) -> Handover:
    """Return the state of connections, and their descriptors."""
    records: list[dict[str, Any]] = []
    descriptors: list[int] = []
    for connection in connections:
        position = len(descriptors)
        descriptors += connection.descriptors()
        records.append({
            "sock": position,
            "unsent": None if connection.unsent is None else position + 1,
            **RECORD.save(connection),
        })  # fmt: skip
    return Handover({"connections": records}, descriptors)


def load(state: Mapping[str, Any], now: float) -> list[SavedConnection]:
    """Return the connections of a state. Raises StateError if it is malformed.

    `now` takes the place of times that are missing.
    """
    defaults = {**_DEFAULTS, "since": now, "moved_at": now}
    with refuse_malformed("connections"):
        loaded = []
        positions: list[int] = []
        for data in load_list(state["connections"]):
            record = load_mapping(data)
            sock, unsent = load_integer(record["sock"]), record.get("unsent")
            positions.append(sock)
            if unsent is not None:
                positions.append(load_integer(unsent))
            loaded.append(SavedConnection(sock, unsent, {**defaults, **RECORD.load(record)}))
        if len(set(positions)) < len(positions):
            raise ValueError("a descriptor is used twice")
        return loaded


def open_socket(fd: int | None) -> socket.socket | None:
    """Take over the descriptor of a connection; None, and closed, if it is no socket."""
    if fd is None:
        return None
    try:
        sock = socket.socket(fileno=fd)
    except OSError:
        os.close(fd)
        return None
    sock.set_inheritable(False)
    sock.setblocking(True)
    allow_waiting(sock)
    return sock


def _is_memory(fd: int | None) -> bool:
    return fd is not None and sealed_memory.is_sealed(fd)
