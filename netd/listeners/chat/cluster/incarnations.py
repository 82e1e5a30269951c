"""The incarnations of a node: each time that a node joins the room, it does so under a new name.

An input in the log has the name of the incarnation that has added it. A node that was removed from
the room joins again as another incarnation, and learns from the log which inputs of the former one
are in it. It can be removed again before it has read them: then there are several former ones, and
the first of them has the inputs.
"""

from __future__ import annotations

from netd.listeners.chat.cluster.log_entry import EntryKind, LogEntry


class Incarnations:
    """The names of the present incarnation and of those before it."""

    def __init__(self, continued: str = "") -> None:
        self.present = ""
        """The incarnation that is in the room; empty until the node has joined."""
        self.continued = continued
        """The incarnation of another process, which this one continues when it joins; or empty."""
        # Those that were removed or continued, until their inputs were read; "" is none.
        self._former: set[str] = set()

    def join(self, name: str) -> None:
        """The node has joined under a name, unless it was in the room already."""
        self.present = self.present or name
        self._former.add(self.continued)
        self.continued = ""

    def lose(self) -> None:
        """The node was removed from the room."""
        self._former.add(self.present)
        self.present = ""

    def lose_continued(self) -> None:
        """The node was removed before this process could continue it."""
        self._former.add(self.continued)
        self.continued = ""

    def is_own(self, name: str) -> bool:
        """Whether a name is that of an incarnation of this node."""
        return bool(name) and name in {self.present, self.continued, *self._former}

    def has_rejoined(self, entry: LogEntry) -> bool:
        """Whether the node, which was removed, is in the room again with an entry of the log."""
        has_joined = entry.kind is EntryKind.JOINED and entry.incarnation == self.present
        return has_joined and any(self._former)

    def forget_former(self) -> None:
        """The last inputs of the incarnations that were removed were read."""
        self._former.clear()
