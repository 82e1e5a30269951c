"""The table of ready answers: from a request's head, byte for byte, to the answer's bytes.

It may be kept because the same bytes on the same routes mean the same request, and because
each entry says which files it rests on. It knows nothing of sockets.
"""

from __future__ import annotations

import itertools
import sys
from typing import Final

from netd.listeners.http.response.response import CachedResponse

_SHARE: Final = 8  # no entry takes more than an eighth of the table
_WHOLE_SHARE: Final = 3  # what has a bare form is kept whole in the first third alone


class ResponseCache:
    """Bounded in bytes.

    A full table takes nothing new until `age` has dropped old entries: evicting at each
    newcomer would serve none of a set just larger than the table.
    """

    def __init__(self, max_bytes: int) -> None:
        self.entries: dict[bytes, CachedResponse] = {}
        self._max_bytes = max_bytes
        self._bytes = 0
        self.turned_away = 0
        """Answers not kept for want of room."""
        self._turned_away_before = 0

    def keep(self, head: bytes, ready: CachedResponse, bare: CachedResponse | None = None) -> None:
        """Keep an answer, or else its bare form, if there is room."""
        self.drop(head)
        size = _size(head, ready)
        if bare is not None and self._bytes + size > self._max_bytes // _WHOLE_SHARE:
            ready, size = bare, _size(head, bare)
        if size > self._max_bytes // _SHARE:
            return
        if self._bytes + size > self._max_bytes:
            self.turned_away += 1
            return
        self.entries[head] = ready
        self._bytes += size

    def drop(self, head: bytes) -> None:
        """Forget an answer that no longer holds."""
        ready = self.entries.pop(head, None)
        if ready is not None:
            self._bytes -= _size(head, ready)

    def age(self) -> None:
        """Make room for newcomers, if any were turned away since the last call."""
        if self.turned_away != self._turned_away_before:
            self._turned_away_before = self.turned_away
            for head in list(itertools.islice(self.entries, len(self.entries) // 4 + 1)):
                self.drop(head)


def _size(head: bytes, ready: CachedResponse) -> int:
    return (
        sys.getsizeof(head) + sys.getsizeof(ready.wire) + 600
    )  # the objects around them, measured
