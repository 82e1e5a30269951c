"""Connections between two slots, as objects and as saved state."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from netd.listeners.echo.relay import allow_waiting
from netd.listeners.kind import Handover
from netd.protocols.record import (
    BYTES,
    FLAG,
    NUMBER,
    Record,
    load_integer,
    load_list,
    load_mapping,
    refuse_malformed,
)


@dataclass(frozen=True, slots=True)
class PausedConnection:
    """A connection that no slot serves at present; it can go on in any process."""

    sock: socket.socket
    unsent: bytes
    """Received, and still to be sent."""
    tag: bool
    """Whether pieces are tagged: the option when the connection was accepted."""
    is_admitted: bool
    """Whether the limits have been checked, and the connection is counted as accepted."""
    since: float
    """When it was accepted (`Loop.now`), for connection_timeout."""
    moved_at: float
    """When it last received or sent a byte (`Loop.now`), for idle_timeout."""


RECORD: Final = Record(
    PausedConnection,
    saved={
        "unsent": BYTES,
        "tag": FLAG,
        "is_admitted": FLAG,
        "since": NUMBER,
        "moved_at": NUMBER,
    },
    unsaved={"sock": "the position of its descriptor is saved"},
)
_DEFAULTS: Final[Mapping[str, Any]] = {"unsent": b"", "tag": False, "is_admitted": True}


@dataclass(frozen=True, slots=True)
class SavedConnection:
    """A connection whose descriptor has not arrived yet."""

    position: int
    attributes: Mapping[str, Any]

    def continue_with(self, sock: socket.socket) -> PausedConnection:
        """The connection, with its socket."""
        return PausedConnection(sock=sock, **self.attributes)


def save(connections: Sequence[PausedConnection]) -> Handover:
    """Return the state of connections, and their descriptors."""
    records = [
        {"descriptor": position, **RECORD.save(connection)}
        for position, connection in enumerate(connections)
    ]
    descriptors = [connection.sock.fileno() for connection in connections]
    return Handover({"connections": records}, descriptors)


def load(state: Mapping[str, Any], now: float) -> list[SavedConnection]:
    """Return the connections of a state. Raises StateError if it is malformed.

    `now` takes the place of times that are missing.
    """
    with refuse_malformed("connections"):
        records = [load_mapping(data) for data in load_list(state["connections"])]
        positions = [load_integer(record["descriptor"]) for record in records]
        if len(set(positions)) < len(positions):
            raise ValueError("a descriptor of two connections")
        defaults = {**_DEFAULTS, "since": now, "moved_at": now}
        return [
            SavedConnection(position, {**defaults, **RECORD.load(record)})
            for position, record in zip(positions, records, strict=True)
        ]


def open_socket(fd: int) -> socket.socket | None:
    """Take over the descriptor of a connection; None, and closed, if it is no socket."""
    try:
        sock = socket.socket(fileno=fd)
    except OSError:
        os.close(fd)
        return None
    sock.set_inheritable(False)
    sock.setblocking(True)
    allow_waiting(sock)
    return sock
