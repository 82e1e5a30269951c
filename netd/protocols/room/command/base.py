"""What a command declares about itself, so that one place checks it for all."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from netd.protocols.room.exchange import Exchange

Handler = Callable[[Exchange, Sequence[str]], None]


class Phase(enum.Enum):
    """When a command is allowed."""

    ANY = enum.auto()
    REGISTERING = enum.auto()
    PRESENT = enum.auto()


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its handler, and what must hold before that is called."""

    handler: Handler
    syntax: str
    params: int = 0
    phase: Phase = Phase.PRESENT
    for_opers: bool = False
