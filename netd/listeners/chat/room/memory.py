"""The memory of a room: what it keeps, by estimate, against a limit.

The estimates are those of CPython, with the objects around a text; they are never much too low.
"""

from __future__ import annotations

from typing import Final

CHANNEL_BYTES: Final = 3000
LIST_ENTRY_BYTES: Final = 700
MESSAGE_BYTES: Final = 2000  # with the forms in which it was sent
TAG_BYTES: Final = 200
MEMBER_BYTES: Final = 12_000  # with its connection
MARKER_BYTES: Final = 300  # of a name that a member reads or watches


class Memory:
    """An account that all parts of the room charge."""

    __slots__ = ("buffers", "kept", "limit")

    def __init__(self, limit: int = 1 << 62) -> None:
        self.limit = limit
        self.kept = 0
        """The bytes of channels, lists and messages."""
        self.buffers = 0
        """The bytes of the connections; the owner of the connections sets it now and then."""

    @property
    def used(self) -> int:
        """All bytes."""
        return self.kept + self.buffers

    @property
    def is_full(self) -> bool:
        """Whether nothing more may be kept."""
        return self.kept + self.buffers >= self.limit
