"""The nodes whose processes have ended, and whose clients and inputs this node takes over.

That is so if a host has fewer workers than before, or another name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from netd.listeners.chat.cluster.append_queue import AppendQueue
from netd.listeners.chat.cluster.log_entry import EntryKind, LogEntry


class EndedNodes:
    """Ended nodes that are not known to be moved yet, with the saved states of their engines."""

    def __init__(self, saved: Mapping[str, Mapping[str, Any]]) -> None:
        self._saved = dict(saved)

    def identities(self) -> Sequence[tuple[str, str]]:
        """The name and the incarnation of each one."""
        return [(node, saved["incarnation"]) for node, saved in self._saved.items()]

    def take_moved(self, entry: LogEntry, taker: str) -> Sequence[bytes]:
        """The inputs that the log does not have of a node which has been moved by an entry."""
        is_own = entry.kind is EntryKind.MOVED and entry.incarnation == taker
        saved = self._saved.pop(entry.node, None) if is_own else None
        if saved is None:
            return ()
        queue = AppendQueue(saved)
        queue.confirm(entry.first)
        return queue.payloads()

    def take_lost(self) -> Iterator[bytes]:
        """The inputs of the nodes that cannot be moved: they are not in the room any more."""
        lost, self._saved = self._saved, {}
        for saved in lost.values():
            yield from AppendQueue(saved).payloads()
