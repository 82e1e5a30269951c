"""Lets the kernel gather what a crowd is sent, for as long as it is told line upon line.

A packet costs the kernel several times what copying its lines does. While a crowd is busy, each
member's lines may wait until it has acknowledged what it got before (Nagle, RFC 1122 4.2.3.4);
as soon as nothing more is said all of them leave, so nobody waits for an acknowledgement that is
itself put off. Everybody else is sent everything at once.
"""

from __future__ import annotations

from typing import Final

from netd.listeners.chat.room.channel import Audience
from netd.runtime.loop import Loop

_QUIET_S: Final = 0.002  # far less than the 40 ms that an acknowledgement is put off


class Crowd:
    """The audience that was told something last."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._audience: Audience | None = None
        self._is_gathering = False
        self._was_told = False

    def tell(self, audience: Audience) -> None:
        """To be called before an audience is sent something."""
        self._was_told = True
        if audience is not self._audience:
            if self._audience is None:
                self._loop.call_later(_QUIET_S, self._rest)
            self._release()
            self._audience = audience
        elif not self._is_gathering:
            self._gather(audience, may=True)

    def _rest(self) -> None:
        if self._was_told:
            self._was_told = False
            self._loop.call_later(_QUIET_S, self._rest)
        else:
            self._release()
            self._audience = None

    def _release(self) -> None:
        if self._audience is not None and self._is_gathering:
            self._gather(self._audience, may=False)

    def _gather(self, audience: Audience, *, may: bool) -> None:
        self._is_gathering = may
        for members in audience.values():
            for member in members:
                member.gather(may=may)
