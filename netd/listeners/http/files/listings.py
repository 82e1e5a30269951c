"""Makes listings of directories, and keeps them for a second."""

from __future__ import annotations

import os
import time
from functools import partial
from typing import Final, Generic, NamedTuple, TypeVar

from netd.listeners.http.files.directory_entries import Entries, read_entries
from netd.listeners.http.files.directory_listing import Place, format_listing
from netd.listeners.http.files.listing_query import ListingQuery
from netd.listeners.http.files.representation import SETTLED_NS
from netd.listeners.http.files.sliced_responses import SlicedResponses, Slices
from netd.listeners.http.protocol.response import DeferredResponse, Response, error_response
from netd.runtime.loop import Loop

_MAX_UNDER_WAY: Final = 8  # each one holds a descriptor and a few MiB
_KEPT_S: Final = 1.0
_KEPT_ENTRIES: Final = 50_000  # they take about 200 bytes each
_KEPT_BYTES: Final = 8 * 1024 * 1024  # of responses

_Value = TypeVar("_Value")


class _Directory(NamedTuple):
    """The values that the entries of a listing depend on."""

    device: int
    inode: int
    modified_ns: int
    dotfiles: bool
    limit: int


_View = tuple[_Directory, Place, ListingQuery]


class _Kept(Generic[_Value]):
    """Keeps values for a second; together they cost at most `capacity`."""

    def __init__(self, loop: Loop, capacity: int) -> None:
        self._loop = loop
        self._left = capacity
        self._values: dict[object, _Value] = {}

    def get(self, key: object) -> _Value | None:
        return self._values.get(key)

    def keep(self, key: object, value: _Value, cost: int) -> None:
        if key not in self._values and cost <= self._left:
            self._values[key] = value
            self._left -= cost
            self._loop.call_later(_KEPT_S, partial(self._drop, key, cost))

    def _drop(self, key: object, cost: int) -> None:
        del self._values[key]
        self._left += cost


class Listings:
    """Makes the listings of a worker in slices.

    The entries of a directory, and its listings, are used again for a second, unless a file was
    added, removed or renamed.
    """

    def __init__(self, loop: Loop) -> None:
        self._sliced = SlicedResponses(loop, _MAX_UNDER_WAY)
        self._entries: _Kept[Entries] = _Kept(loop, _KEPT_ENTRIES)
        self._responses: _Kept[Response] = _Kept(loop, _KEPT_BYTES)
        self.cut = 0
        """How often a directory was read that has more names than `listing_limit`."""

    def respond(
        self, fd: int, place: Place, query: ListingQuery, *, dotfiles: bool, limit: int
    ) -> Response | DeferredResponse:
        """List the open directory `fd`. Raises OSError."""
        info = os.fstat(fd)
        directory = _Directory(info.st_dev, info.st_ino, info.st_mtime_ns, dotfiles, limit)
        view = directory, place, query
        response = self._responses.get(view)
        if response is not None:
            return response
        if not self._sliced.has_room_for(view):
            return error_response(503, ("Retry-After", "1"))
        is_settled = time.time_ns() - info.st_mtime_ns >= SETTLED_NS
        return self._sliced.respond(view, lambda: self._make(os.dup(fd), view, may_keep=is_settled))

    def _make(self, fd: int, view: _View, *, may_keep: bool) -> Slices:
        """Make the response in slices; closes the descriptor."""
        directory, place, query = view
        try:
            entries = self._entries.get(directory)
            if entries is None:
                entries = yield from read_entries(
                    fd, dotfiles=directory.dotfiles, limit=directory.limit
                )
                self.cut += entries.is_cut
        finally:
            os.close(fd)
        response = yield from format_listing(entries, place, query)
        if may_keep:
            self._entries.keep(directory, entries, entries.count)
            self._responses.keep(view, response, response.length)
        return response
