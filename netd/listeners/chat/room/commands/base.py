"""What a command declares about itself, so that one place checks it for all commands."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from netd.listeners.chat.room.command_context import CommandContext

Steps = Iterator[None]
"""The steps of a long answer: an iterator that does one step each time it is advanced.

The room advances it until a slice of work is done, and goes on in a later turn of the loop. Members
and channels may have changed, or be gone, by then.
"""

Handler = Callable[[CommandContext, Sequence[str]], Steps | None]


class Phase(enum.Enum):
    """When a command is allowed."""

    ANY = enum.auto()
    REGISTERING = enum.auto()
    REGISTERED = enum.auto()


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its handler, and the conditions checked before the handler is called."""

    handler: Handler
    syntax: str
    params: int = 0
    phase: Phase = Phase.REGISTERED
    for_opers: bool = False
