"""What an echo listener can be told."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Interval

from netd.config.annotations import NeedsNewWorker
from netd.config.model import ListenerOptions
from netd.config.units import Duration
from netd.listeners.echo.scoreboard import MAX_SLOTS


class Concurrency(enum.StrEnum):
    """What serves a connection."""

    FORK = "fork"
    THREAD = "thread"


@dataclass(frozen=True, kw_only=True, slots=True)
class EchoOptions(ListenerOptions):
    """A listener that sends back what it receives (RFC 862).

    Connections are served by a pool of processes or threads, one at a time each. Datagrams
    are answered by the worker itself, UDP never with more than was received.
    """

    kind: Literal["echo"] = "echo"
    """The service: echo."""

    concurrency: Annotated[Concurrency, NeedsNewWorker()] = Concurrency.FORK
    """What serves each connection: a process of its own (fork) or a thread of its own (thread)."""

    tag: bool = False
    """Put `<pid>: ` (fork) or `<thread name>: ` (thread) before each piece that is echoed; UDP
    datagrams are never tagged, for an answer must not be larger than what asked for it."""

    max_connections: Annotated[int, Interval(ge=1, le=MAX_SLOTS)] = 256
    """How many processes or threads each worker may have, and so how many connections it serves
    at once; one past that is closed and counted."""

    spare: Annotated[int, Interval(ge=1, le=MAX_SLOTS)] = 4
    """How many idle processes or threads wait for connections to come."""

    connections_per_slot: Annotated[int, Ge(0)] = 0
    """How many connections a process or thread serves before a new one takes its place; 0 for
    no limit."""

    idle_timeout: Duration = 300.0
    """How long a connection may move no byte before it is closed; 0 for ever."""

    connection_timeout: Duration = 0.0
    """How long a connection may last in all; 0 for ever."""
