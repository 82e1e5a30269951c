"""What a command declares about itself, so that one place checks it for all."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from netd.listeners.chat.room import presence
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.numeric import Numeric

Handler = Callable[[CommandContext, Sequence[str]], None]


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


def refuse_login(context: CommandContext, numeric: Numeric) -> None:
    """Answer a wrong name or password; who guesses on is put out."""
    context.reply(numeric)
    context.member.failed_logins += 1
    if context.member.failed_logins >= context.room.settings.limits.failed_logins:
        presence.put_out(context, "Too many failed logins")
