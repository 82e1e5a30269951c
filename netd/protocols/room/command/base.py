"""What a command declares about itself, so that one place checks it for all."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from netd.protocols.room import presence
from netd.protocols.room.exchange import Exchange
from netd.protocols.room.numeric import Numeric

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


def refuse_login(exchange: Exchange, numeric: Numeric) -> None:
    """Answer a wrong name or password; who guesses on is put out."""
    exchange.reply(numeric)
    exchange.member.failed_logins += 1
    if exchange.member.failed_logins >= exchange.room.settings.limits.failed_logins:
        presence.put_out(exchange, "Too many failed logins")
