"""Sends what is said in a channel to its members, at the end of the turn in which it was said.

All lines of a turn to one audience are joined, so a turn costs one system call a member, however
many members spoke. The order holds: before anything else is written to a member, the owner calls
`flush`.
"""

from __future__ import annotations

from netd.listeners.chat.room.channel import Audience
from netd.listeners.chat.room.effect import Broadcast
from netd.listeners.chat.room.member import Member
from netd.runtime.loop import Loop


class Fanout:
    """The lines of this turn to one audience, until the turn ends or another line must follow."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._audience: Audience | None = None
        self._lines: list[Broadcast] = []

    def add(self, line: Broadcast) -> None:
        """Send a line with this turn's others; audiences are compared by identity."""
        if line.audience is not self._audience:
            self.flush()
            self._audience = line.audience
            self._loop.defer(self._end_turn)
        self._lines.append(line)

    def flush(self) -> None:
        """Queue the lines so far, so that what is written next in this turn comes after them."""
        self._send(is_last=False)

    def _end_turn(self) -> None:
        self._send(is_last=True)

    def _send(self, *, is_last: bool) -> None:
        if self._audience is None:
            return
        audience, lines = self._audience, self._lines
        self._audience, self._lines = None, []
        skips = [line.skip for line in lines]
        speakers = set(skips)
        for tag_caps, members in audience.items():
            forms = [line.bytes_for(tag_caps) for line in lines]
            whole = b"".join(forms)
            for member in members:
                data = whole if member not in speakers else _without(member, skips, forms)
                if data:
                    (member.send if is_last else member.write)(data)


def _without(member: Member, skips: list[Member | None], forms: list[bytes]) -> bytes:
    """The lines that do not skip this member."""
    pairs = zip(skips, forms, strict=True)
    return b"".join([form for skip, form in pairs if skip is not member])
