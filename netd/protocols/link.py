"""What the supervisor and a worker say to each other: one JSON object a line.

Down: Configure, Drain, Status, Reloaded. Up: Ready, Heartbeat, Failed, Retiring, Inquire,
Reload.
Descriptors travel beside the lines; a Configure says how many belong to it and which address
each one stands on.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, get_args

from netd.errors import LocalProtocolError


@dataclass(frozen=True, slots=True)
class Configure:
    """Serve with these options on these sockets, in place of any before."""

    listener: str
    options: dict[str, Any]
    sockets: tuple[str, ...]  # configured address of each descriptor that comes with this


@dataclass(frozen=True, slots=True)
class Drain:
    """Accept what already waits, take nothing new, finish what is open, then exit.

    `within_s` is the deadline after which open connections are closed; None for no deadline.
    `stopping` is true when the whole daemon goes, so that idle connections need not be kept.
    """

    within_s: float | None = None
    stopping: bool = False


@dataclass(frozen=True, slots=True)
class Ready:
    """The last Configure is in force."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Still turning; `counters` are totals since the worker's start, or present numbers."""

    counters: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failed:
    """The last Configure could not be put in force; what was before goes on."""

    reason: str


@dataclass(frozen=True, slots=True)
class Retiring:
    """Somebody asked the worker itself to finish: it takes nothing new, so another has to."""


@dataclass(frozen=True, slots=True)
class Inquire:
    """The worker asks how the whole daemon is."""


@dataclass(frozen=True, slots=True)
class Status:
    """The answer to Inquire: what `netd status --json` prints."""

    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reload:
    """The worker asks for the configuration to be read again."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The answer to Reload, once for each, in their order."""

    ok: bool
    detail: str  # what changed, or the errors, one a line


Message = (
    Configure | Drain | Status | Reloaded | Ready | Heartbeat | Failed | Retiring | Inquire | Reload
)
_TYPES = {cls.__name__.lower(): cls for cls in get_args(Message)}


def format_message(message: Message) -> bytes:
    """One line, newline included."""
    body = {"type": type(message).__name__.lower(), **asdict(message)}
    return json.dumps(body, separators=(",", ":")).encode() + b"\n"


def parse_message(line: bytes) -> Message:
    """The message a line stands for; LocalProtocolError if it stands for none."""
    try:
        body = json.loads(line)
        message: Message = _TYPES[body.pop("type")](**body)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LocalProtocolError(f"not a link message: {line[:200]!r}") from error
    return message
