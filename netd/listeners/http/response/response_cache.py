"""The response cache: from the bytes of a request's head to the bytes of the response.

The same bytes on the same routes mean the same request, so the key is the head as received. The
response of a route that checks its clients is for one peer, whose address is a part of the key.
Each entry carries stamps of the files that it was made from.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable
from typing import Final

from netd.listeners.http.protocol.response import FileStamp
from netd.listeners.http.response.statistics import Tally
from netd.runtime.watched_files import signature_of

# O_NONBLOCK: opening a path that has become a FIFO must not block the worker.
_READ_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
_MAX_ENTRY_SHARE: Final = 8  # one entry takes an eighth of the cache at most
_CONTENT_SHARE: Final = 2 / 3  # contents of files are cached in this share of the cache only
_OVERHEAD_BYTES: Final = 600  # of the objects around one entry, measured


CacheKey = bytes | tuple[str, bytes]
"""The head of a request; for a response to one peer, that peer's address and the head."""


class CachedResponse:
    """A response as it is sent, with the Date line of one second.

    An entry with a `source` holds only the head; its content is read from that file each time.
    """

    __slots__ = (
        *("_date_at", "close", "head_bytes", "is_permitted", "second", "source", "stamps"),
        *("status", "tally", "wire"),
    )

    def __init__(  # noqa: PLR0913 (the parts of a response)
        self,
        wire: bytes,
        status: int,
        head_bytes: int,
        *,
        close: bool,
        date_at: int = 0,
        stamps: tuple[FileStamp, ...] = (),
        source: FileStamp | None = None,
        is_permitted: Callable[[], bool] | None = None,
        tally: Tally | None = None,
    ) -> None:
        """`date_at` is the offset of the Date line in `wire`, whose head ends at `head_bytes`."""
        self.wire = wire
        self.status = status
        self.tally: Tally = [0] if tally is None else tally
        self.head_bytes = head_bytes
        self.close = close
        self._date_at = date_at
        self.stamps = stamps
        self.source = source
        self.is_permitted = is_permitted
        self.second = 0

    def set_date(self, second: int, date_line: bytes) -> None:
        """Replace the Date line."""
        rest = self._date_at + len(date_line)
        self.wire = self.wire[: self._date_at] + date_line + self.wire[rest:]
        self.second = second

    def with_content(self, content: bytes) -> CachedResponse:
        """Return the complete response, to send once, if only its head is cached."""
        return CachedResponse(
            *(self.wire + content, self.status, self.head_bytes),
            close=self.close,
            tally=self.tally,
        )

    def head_only(self, source: FileStamp) -> CachedResponse:
        """Return an entry without the content, which can be read from `source`."""
        return CachedResponse(
            *(self.wire[: self.head_bytes], self.status, self.head_bytes),
            close=self.close,
            date_at=self._date_at,
            source=source,
            is_permitted=self.is_permitted,
            tally=self.tally,
        )


class ResponseCache:
    """A table of cached responses, bounded in bytes.

    A full cache takes no new entry until `make_room` has dropped old ones. Replacing an entry
    for each new one would never hit when the working set is slightly larger than the cache.
    """

    def __init__(self, max_bytes: int) -> None:
        self.entries: dict[CacheKey, CachedResponse] = {}
        self._max_bytes = max_bytes
        self._bytes = 0
        self.rejected = 0
        """Responses that were not cached because the cache was full."""
        self._rejected_before = 0

    def store(
        self, key: CacheKey, response: CachedResponse, source: FileStamp | None = None
    ) -> None:
        """Cache a response if there is room.

        Beyond the share for contents only its head is cached if `source` has the content.
        """
        self.drop(key)
        size = _size(key, response)
        if source is not None and self._bytes + size > self._max_bytes * _CONTENT_SHARE:
            response = response.head_only(source)
            size = _size(key, response)
        if size > self._max_bytes // _MAX_ENTRY_SHARE:
            return
        if self._bytes + size > self._max_bytes:
            self.rejected += 1
            return
        self.entries[key] = response
        self._bytes += size

    def drop(self, key: CacheKey) -> None:
        """Remove the entry for this key, if there is one."""
        response = self.entries.pop(key, None)
        if response is not None:
            self._bytes -= _size(key, response)

    def make_room(self) -> None:
        """Drop the oldest quarter if responses were rejected since the last call."""
        if self.rejected != self._rejected_before:
            self._rejected_before = self.rejected
            for key in list(itertools.islice(self.entries, len(self.entries) // 4 + 1)):
                self.drop(key)


def is_current(stamp: FileStamp) -> bool:
    """Whether the path still leads to the same file in the same state, or still to none."""
    try:
        return signature_of(os.stat(stamp.path)) == stamp.signature
    except (OSError, UnicodeEncodeError):
        return stamp.signature is None


def read_current(stamp: FileStamp) -> bytes | None:
    """Read the whole file; None if the path no longer leads to it or it cannot be read."""
    try:
        fd = os.open(stamp.path, _READ_FLAGS)
    except OSError:
        return None
    try:
        info = os.fstat(fd)
        if signature_of(info) != stamp.signature:
            return None
        content = os.read(fd, info.st_size)
        return content if len(content) == info.st_size else None
    except OSError:
        return None
    finally:
        os.close(fd)


def _size(key: CacheKey, response: CachedResponse) -> int:
    head = key if isinstance(key, bytes) else key[1]
    return sys.getsizeof(head) + sys.getsizeof(response.wire) + _OVERHEAD_BYTES
