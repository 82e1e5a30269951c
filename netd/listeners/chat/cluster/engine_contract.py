"""The facts that a node gives to its engine, and the events that the engine reports."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import netd
from netd.listeners.chat.cluster.engine_address import EngineAddress
from netd.listeners.chat.cluster.log_entry import LogEntry
from netd.listeners.chat.cluster.log_position import Position
from netd.listeners.chat.cluster.redis_connection import Credentials
from netd.listeners.chat.room.level import LEVEL


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """The address of the engine, the names of room and node, and time limits."""

    addresses: Sequence[EngineAddress]
    """The engine's; or those of its sentinels."""
    credentials: Credentials
    name: str
    """The name of the room, which is a part of all keys."""
    node: str
    """The name of this node; two nodes of a room must not share one."""
    master: str = ""
    """The name by which the sentinels know the engine; empty without sentinels."""
    time_to_live_s: float = 10.0
    """How long a node that does not renew its deadline stays in the room."""
    renew_s: float = 3.0
    """The period in which the node renews its deadline."""
    timeout_s: float = 2.0
    """How long the engine may take to reply."""
    level: int = LEVEL
    """The highest level of the room's rules that this node can apply (`room.level`)."""
    version: str = netd.__version__
    """The version of this node, by which the other ones name the cause of a higher level."""

    @property
    def time_to_live_ms(self) -> int:
        """`time_to_live_s` in milliseconds."""
        return int(self.time_to_live_s * 1000)


class Loss(enum.Enum):
    """Why a node's state is not that of the log any more."""

    GAP = "entries that were not read were removed from the log"
    REWOUND = "the engine has lost entries that were applied"
    DRIFTED = "the room differs from that of the other hosts"
    FENCED = "the node was removed, as it did not renew its deadline in time"


class EngineOwner(Protocol):
    """The part of a node that its engine calls."""

    def on_snapshot(
        self, position: Position, state: bytes, on_loaded: Callable[[str], object]
    ) -> None:
        """Replace the state, and call `on_loaded`, now or later, with the fault if there is one.

        Then the entries after `position` follow. START and b"" for a new room. If there is another
        snapshot before `on_loaded` was called, the first one is not needed any more.
        """

    def on_entries(self, entries: Sequence[LogEntry]) -> None:
        """Apply the next entries."""

    def on_available(self) -> None:
        """The engine takes inputs, and its log was read to the end."""

    def on_unavailable(self, reason: str) -> None:
        """Inputs wait until the engine can be reached."""

    def on_lost(self, loss: Loss) -> None:
        """The state is loaded again (`on_snapshot`), or the node was removed from the room."""

    def on_taken_over(self, payloads: Sequence[bytes]) -> None:
        """This node has the clients of a node that has ended, and that one's inputs for the log."""

    def on_given_up(self, payloads: Sequence[bytes]) -> None:
        """Inputs of this node, which was removed, are not in the log, and will not be."""
