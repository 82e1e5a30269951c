"""Sends the room's lines to the connections of its members.

All lines of a turn to one audience are joined and sent at the end of the turn, so a turn costs one
system call for each recipient, for any number of lines. The order of a member's lines is kept:
before other bytes are written to a member in this turn, the lines so far are queued.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from netd.listeners.chat.room.channel import Audience
from netd.listeners.chat.room.effect import Broadcast
from netd.listeners.chat.room.member import Member
from netd.runtime.loop import Loop

_Write = Callable[[bytes], object]


class Outlet(Protocol):
    """The part of a stream that a fan-out needs."""

    def write(self, data: bytes) -> None:
        """Queue bytes for the end of this turn."""

    def send(self, data: bytes) -> None:
        """Send bytes at once; makes no callback."""


class Fanout:
    """The lines of this turn to one audience, until the turn ends or another line must follow."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._writes: dict[Member, _Write] = {}
        self._sends: dict[Member, _Write] = {}
        self._audience: Audience | None = None
        self._lines: list[Broadcast] = []

    def attach(self, member: Member, outlet: Outlet) -> None:
        """Send a member's lines to this outlet."""
        self._writes[member] = outlet.write
        self._sends[member] = outlet.send

    def detach(self, member: Member) -> None:
        """Forget a member; then it must leave the room, or get another outlet."""
        self.flush()  # the audience may still contain it
        del self._writes[member], self._sends[member]

    def add(self, line: Broadcast) -> None:
        """Send a line with this turn's others; audiences are compared by identity."""
        if line.audience is not self._audience:
            self.flush()
            self._audience = line.audience
            self._loop.defer(self._end_turn)
        self._lines.append(line)

    def send(self, members: Iterable[Member], data: bytes) -> None:
        """Write bytes to some members, after the lines so far."""
        self.flush()
        for member in members:
            self._writes[member](data)

    def flush(self) -> None:
        """Queue the lines so far, so that later writes of this turn come after them."""
        self._send(is_last=False)

    def _end_turn(self) -> None:
        self._send(is_last=True)

    def _send(self, *, is_last: bool) -> None:
        if self._audience is None:
            return
        audience, lines = self._audience, self._lines
        self._audience, self._lines = None, []
        sends = self._sends if is_last else self._writes
        skips = [line.skip for line in lines]
        speakers = set(skips)
        for tag_caps, members in audience.items():
            forms = [line.message.bytes_for(tag_caps) for line in lines]
            whole = b"".join(forms)
            for member in members:
                data = whole if member not in speakers else _without(member, skips, forms)
                if data:
                    sends[member](data)


def _without(member: Member, skips: list[Member | None], forms: list[bytes]) -> bytes:
    """The lines that do not skip this member."""
    pairs = zip(skips, forms, strict=True)
    return b"".join([form for skip, form in pairs if skip is not member])
