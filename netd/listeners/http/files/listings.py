"""Makes listings of directories a slice at a time, so that they do not delay other clients."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator
from functools import partial
from typing import Final

from netd.listeners.http.files.directory_listing import list_directory
from netd.listeners.http.protocol.response import (
    DeferredResponse,
    Response,
    SendResponse,
    error_response,
)
from netd.runtime.loop import Loop

_MAX_UNDER_WAY: Final = 8  # each one holds a descriptor and a few MiB
_MAX_KEPT: Final = 8
_KEPT_S: Final = 1.0

Key = tuple[object, ...]


class Listings:
    """The unfinished listings of a worker; each turn of the loop makes one slice of one of them.

    All clients that wait for a listing get the same one. A listing that took more than one slice
    is used again for a second, unless a file was added, removed or renamed.
    """

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._under_way: deque[_Listing] = deque()
        self._kept: dict[Key, Response] = {}

    def respond(self, fd: int, path: str, *, dotfiles: bool) -> Response | DeferredResponse:
        """List the open directory `fd`, which `path` names. Raises OSError."""
        info = os.fstat(fd)
        key = (info.st_dev, info.st_ino, info.st_mtime_ns, path, dotfiles)
        if key in self._kept:
            return self._kept[key]
        for listing in self._under_way:
            if listing.key == key:
                return DeferredResponse(listing.waiting.append)
        if len(self._under_way) >= _MAX_UNDER_WAY:
            return error_response(503, ("Retry-After", "1"))
        listing = _Listing(key, os.dup(fd), path, dotfiles=dotfiles)
        response = listing.advance()
        if response is not None:
            return response
        self._under_way.append(listing)
        if len(self._under_way) == 1:
            self._loop.call_later(0, self._advance)
        return DeferredResponse(listing.waiting.append)

    def _advance(self) -> None:
        listing = self._under_way.popleft()
        try:
            response = listing.advance()
        except OSError:
            response = error_response(500)
        if response is None:
            self._under_way.append(listing)
        else:
            self._keep(listing.key, response)
        if self._under_way:
            self._loop.call_later(0, self._advance)
        if response is not None:
            for send in listing.waiting:
                send(response)

    def _keep(self, key: Key, response: Response) -> None:
        if response.status == 200 and len(self._kept) < _MAX_KEPT:  # noqa: PLR2004 (success)
            self._kept[key] = response
            self._loop.call_later(_KEPT_S, partial(self._kept.pop, key))


class _Listing:
    """An unfinished listing, and the clients that wait for it."""

    def __init__(self, key: Key, fd: int, path: str, *, dotfiles: bool) -> None:
        """Take over the descriptor."""
        self.key = key
        self.waiting: list[SendResponse] = []
        self._slices = _closing(fd, list_directory(fd, path, dotfiles=dotfiles))

    def advance(self) -> Response | None:
        """Make a slice. Returns the response once it is complete. Raises OSError."""
        try:
            next(self._slices)
        except StopIteration as end:
            response: Response = end.value
            return response
        return None


def _closing(fd: int, slices: Generator[None, None, Response]) -> Generator[None, None, Response]:
    try:
        return (yield from slices)
    finally:
        os.close(fd)
