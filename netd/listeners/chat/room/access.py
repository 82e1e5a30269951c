"""Which messages of a channel a member may read: those that were said while it could read them.

What is said while the channel is open, so that anyone can join, may be read by all later members.
What is said while it is closed (+i, +k) may be read by the members that are in the channel then. A
channel that was left by all members and is created again is another one: of what was said before,
its members may read only what was said while they were in it.

Positions (`MessageIds.position`) tell what was said before what.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from netd.listeners.chat.room.member import Member
from netd.listeners.chat.room.stored_message import NEVER

_MAX_SPANS = 64


@dataclass(slots=True)
class Access:
    """The access to the history of one channel, except what accounts may read from earlier stays.

    Those are in the database.
    """

    begin: int = 0
    """The position at which the channel was created."""
    since: dict[Member, int] = field(default_factory=dict)
    """The position at which each member has joined."""
    closed: list[list[int]] = field(default_factory=list)
    """The first and last positions of the times in which the channel was closed, oldest first."""

    def note_openness(self, position: int, *, is_open: bool) -> None:
        """Note whether the channel is open after the message with this position."""
        was_open = not self.closed or self.closed[-1][1] < NEVER
        if was_open and not is_open:
            self.closed.append([position + 1, NEVER])
        elif is_open and not was_open:
            self.closed[-1][1] = position
        if len(self.closed) > _MAX_SPANS:
            (first, _), (_, last) = self.closed[:2]
            self.closed[:2] = [[first, last]]  # what was said in between counts as closed

    def may_read(self, member: Member, position: int) -> bool:
        """Whether a member may read a message, as far as its present stay tells."""
        if position >= self.since.get(member, NEVER):
            return True
        return position >= self.begin and self.is_open_at(position)

    def is_open_at(self, position: int) -> bool:
        """Whether the channel was open when a message was said."""
        return not any(first <= position <= last for first, last in reversed(self.closed))
