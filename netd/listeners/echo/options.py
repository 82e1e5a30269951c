"""The options of an echo listener."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from annotated_types import Ge, Interval

from netd.config.annotations import NeedsNewWorker
from netd.config.model import ListenerOptions
from netd.config.units import Duration
from netd.listeners.echo.scoreboard import MAX_SLOTS

DEFAULT_SPARE: Final = 4


class Concurrency(enum.StrEnum):
    """Whether a process or a thread serves a connection."""

    FORK = "fork"
    THREAD = "thread"


@dataclass(frozen=True, kw_only=True, slots=True)
class EchoOptions(ListenerOptions):
    """A listener that returns all received bytes (RFC 862).

    Each connection has a process or thread to itself, from a pool that grows and shrinks. The
    worker itself replies to datagrams. It sends no UDP reply to ports 0, 7, 13, 17 and 19 and to
    the daemon's own ports, because such a reply could start an endless loop between two servers.
    """

    kind: Literal["echo"] = "echo"
    """The kind: echo."""

    concurrency: Annotated[Concurrency, NeedsNewWorker()] = Concurrency.FORK
    """Whether a process (fork) or a thread (thread) serves each connection."""

    tag: bool = False
    """Put `<pid>: ` (fork) or `<thread name>: ` (thread) before each piece that is echoed. UDP
    datagrams are never tagged, because a reply must not be larger than its request."""

    max_connections: Annotated[int, Interval(ge=1, le=MAX_SLOTS)] = 256
    """The number of processes or threads, and so of connections, that each worker may have at once;
    a further connection is closed and counted."""

    spare: Annotated[int, Interval(ge=1, le=MAX_SLOTS)] = DEFAULT_SPARE
    """The number of idle processes or threads that wait for new connections."""

    connections_per_slot: Annotated[int, Ge(0)] = 0
    """The number of connections that a process or thread serves before a new one replaces it; 0 for
    no limit."""

    idle_timeout: Duration = 300.0
    """How long a connection may be idle before it is closed; 0 for no limit."""

    connection_timeout: Duration = 0.0
    """How long a connection may last in total; 0 for no limit."""
