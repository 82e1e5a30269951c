"""The messages between the supervisor and a worker: one JSON object on each line.

To the worker: OwnAddresses, Configure, Go, Release, Drain, HandOver, Resume, Exit, Status,
Reloaded. To the supervisor: Ready, Failed, HandedOver, NotHandedOver, Snapshot, Heartbeat,
Retiring, RequestStatus, RequestReload. Descriptors travel with the lines: those of the sockets,
bundles and queues that a Configure names, and those of a HandedOver's bundle and of a Snapshot.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, get_args

from netd.errors import LocalProtocolError


@dataclass(frozen=True, slots=True)
class Configure:
    """Use these options and these sockets, in place of the previous ones."""

    listener: str
    options: dict[str, Any]
    sockets: tuple[str, ...]  # configured address of each descriptor that comes with this
    bundles: tuple[int, ...] = ()  # the number of descriptors of each bundle, after the sockets
    needs_state: bool = False  # a bundle that cannot be loaded is a failure
    queues: tuple[str, ...] = ()  # the listener of each hand-off queue; after the bundles
    number: int = 0  # of the worker among those of its listener
    gets_handoffs: bool = False  # other listeners hand off connections to this one


@dataclass(frozen=True, slots=True)
class Go:
    """Take over the clients of the bundles, and serve: the worker is the only one that has them."""


@dataclass(frozen=True, slots=True)
class OwnAddresses:
    """The addresses of the whole daemon's datagram sockets: UDP ports and paths of Unix sockets.

    A worker does not reply to datagrams from them, since two of them would reply endlessly.
    """

    datagram_names: tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Release:
    """Close the sockets of earlier Configures: the supervisor has closed its copies."""


@dataclass(frozen=True, slots=True)
class Drain:
    """Accept the connections that wait, accept no more, finish the open ones, then exit.

    `within_s` is the deadline in seconds after which open connections are closed; None for no
    deadline. `stopping` is true if the whole daemon stops, so that idle connections need not be
    kept.
    """

    within_s: float | None = None
    stopping: bool = False


@dataclass(frozen=True, slots=True)
class HandOver:
    """Pack all clients into a bundle within some seconds, and then touch them no more.

    The replies are HandedOver, or NotHandedOver after a failure.
    """

    within_s: float


@dataclass(frozen=True, slots=True)
class Resume:
    """Serve the clients again: no other process has taken over."""


@dataclass(frozen=True, slots=True)
class Exit:
    """Exit: another process has the clients.

    Those that no other process can continue with, and all clients of a worker that was started
    after the handover, are served for `within_s` seconds; None for no deadline.
    """

    within_s: float | None = None


@dataclass(frozen=True, slots=True)
class HandedOver:
    """All clients are in the bundle whose descriptors come with this."""

    descriptors: int


@dataclass(frozen=True, slots=True)
class NotHandedOver:
    """The worker could not make a bundle, and continues to serve."""

    reason: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state for the successor of a worker that is killed; its descriptor comes with this."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The last Configure is in force."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The worker's loop turns.

    `totals` count since the worker's start, `gauges` are values of the moment; `series`,
    `moments` and `shared` are those of its Counters. `degraded` is the reason why the worker is
    degraded, empty if it is not.
    """

    totals: dict[str, int] = field(default_factory=dict)
    gauges: dict[str, int] = field(default_factory=dict)
    degraded: str = ""
    series: dict[str, dict[str, int]] = field(default_factory=dict)
    moments: dict[str, int] = field(default_factory=dict)
    shared: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failed:
    """The last Configure could not be put in force; the previous one stays."""

    reason: str


@dataclass(frozen=True, slots=True)
class Retiring:
    """The worker received SIGTERM and accepts no more connections: it needs a successor."""


@dataclass(frozen=True, slots=True)
class RequestStatus:
    """The worker requests the daemon's status."""


@dataclass(frozen=True, slots=True)
class Status:
    """The reply to RequestStatus: the status as `netd status --json` prints it."""

    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RequestReload:
    """The worker requests a reload of the configuration."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The reply to RequestReload; replies come in the order of the requests."""

    ok: bool
    detail: str  # the changes, or the errors, one on each line


LinkMessage = (
    OwnAddresses
    | Configure
    | Go
    | Release
    | Drain
    | HandOver
    | Resume
    | Exit
    | Status
    | Reloaded
    | Ready
    | Failed
    | HandedOver
    | NotHandedOver
    | Snapshot
    | Heartbeat
    | Retiring
    | RequestStatus
    | RequestReload
)
_TYPES = {cls.__name__.lower(): cls for cls in get_args(LinkMessage)}


def format_message(message: LinkMessage) -> bytes:
    """The message as one line, newline included."""
    body = {"type": type(message).__name__.lower(), **asdict(message)}
    return json.dumps(body, separators=(",", ":")).encode() + b"\n"


def parse_message(line: bytes) -> LinkMessage:
    """The message in a line. Raises LocalProtocolError if the line is not a message."""
    try:
        body = json.loads(line)
        message: LinkMessage = _TYPES[body.pop("type")](**body)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LocalProtocolError(f"not a link message: {line[:200]!r}") from error
    return message
