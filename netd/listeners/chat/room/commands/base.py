"""The declaration of a command; its conditions are checked in one place, for all commands."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from netd.listeners.chat.room.command_context import CommandContext

Steps = Iterator[Any]
"""The steps of a long reply: a generator that does one step each time it is advanced.

The room advances it until a slice of work is done, and continues in a later turn of the loop. By
then, members and channels may have changed or have been removed. A step yields None, or a query:
then the next step gets its result, when the database has answered (`storage.ask`).
"""

Handler = Callable[[CommandContext, Sequence[str]], Steps | None]


class Phase(enum.Enum):
    """The part of a connection's life in which a command is allowed."""

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
