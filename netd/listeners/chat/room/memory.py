"""The memory of a room: an estimate of the bytes in use, and their limit.

The estimates are for CPython, with the objects around a text; they are never much too low.
"""

from __future__ import annotations

from typing import Final

CHANNEL_BYTES: Final = 3000
LIST_ENTRY_BYTES: Final = 700
MESSAGE_BYTES: Final = 2000  # with the forms in which it was sent
TAG_BYTES: Final = 200
MEMBER_BYTES: Final = 4_000
CLIENT_BYTES: Final = 8_000  # of a connection
MARKER_BYTES: Final = 300  # of a read marker or a monitored nick


class Memory:
    """The bytes in use, which all parts of the room update."""

    __slots__ = ("buffers", "kept", "limit")

    def __init__(self, limit: int = 1 << 62) -> None:
        self.limit = limit
        self.kept = 0
        """The bytes of channels, lists and messages."""
        self.buffers = 0
        """The bytes of the connections, updated periodically by the owner of the connections."""

    @property
    def used(self) -> int:
        """All bytes."""
        return self.kept + self.buffers

    @property
    def is_full(self) -> bool:
        """Whether the limit is reached, so that nothing more may be kept."""
        return self.kept + self.buffers >= self.limit
