"""Carries what is said in a channel to its members, once a turn.

Lines to one audience are joined before they are handed out, so a member costs one system call a
turn, however many spoke. Handing out to many takes far longer than to look who else has spoken
meanwhile: so there is a look, and another as long as it finds something. Order holds: whatever
else is to be written is written after `flush`.
"""

from __future__ import annotations

from typing import Final

from netd.listeners.chat.crowd import Crowd
from netd.listeners.chat.room.channel import Audience
from netd.listeners.chat.room.effect import Broadcast
from netd.listeners.chat.room.member import Member
from netd.runtime.loop import Loop

_MANY: Final = 16  # members; with fewer, a look costs more than it saves
_ENOUGH: Final = 256  # lines


class Fanout:
    """Lines of one audience, gathered until nobody says more or somebody else's line comes."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._crowd = Crowd(loop)
        self._audience: Audience | None = None
        self._is_large = False
        self._lines: list[Broadcast] = []
        self._looked_at = 0  # lines there were at the last look

    def add(self, line: Broadcast) -> None:
        """Gather one more line; the audience must be the same object to be the same."""
        if line.audience is not self._audience:
            self.flush()
            self._audience = line.audience
            self._is_large = sum(map(len, line.audience.values())) >= _MANY
            self._loop.defer(self._look)
        self._lines.append(line)

    def flush(self) -> None:
        """Hand out what was gathered, before something else is written in this turn."""
        self._hand_out(is_over=False)

    def _look(self) -> None:
        count = len(self._lines)
        if self._is_large and self._looked_at < count < _ENOUGH:
            self._looked_at = count
            self._loop.call_later(0, self._look)
        else:
            self._hand_out(is_over=True)

    def _hand_out(self, *, is_over: bool) -> None:
        if self._audience is None:
            return
        audience, lines = self._audience, self._lines
        self._audience, self._lines, self._looked_at = None, [], 0
        if self._is_large:
            self._crowd.tell(audience)
        skips = [line.skip for line in lines]
        speakers = set(skips)
        for tag_caps, members in audience.items():
            forms = [line.bytes_for(tag_caps) for line in lines]
            whole = b"".join(forms)
            for member in members:
                data = whole if member not in speakers else _without(member, skips, forms)
                if data:
                    (member.send if is_over else member.write)(data)


def _without(member: Member, skips: list[Member | None], forms: list[bytes]) -> bytes:
    """What others said."""
    said = zip(skips, forms, strict=True)
    return b"".join([form for skip, form in said if skip is not member])
