"""Responses that take long, made a slice at a time, so that they do not delay other clients."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator

from netd.listeners.http.protocol.response import (
    DeferredResponse,
    Response,
    SendResponse,
    error_response,
)
from netd.runtime.loop import Loop

Slices = Generator[None, None, Response]
"""Makes a slice for each `next`, and returns the response. Raises OSError."""


class SlicedResponses:
    """The unfinished responses of a worker; each turn of the loop makes one slice of one of them.

    All requests with the same key get the same response.
    """

    def __init__(self, loop: Loop, max_under_way: int) -> None:
        self._loop = loop
        self._max_under_way = max_under_way
        self._under_way: deque[_SlicedResponse] = deque()

    def has_room_for(self, key: object) -> bool:
        """Whether the response is under way, or not too many others are."""
        return len(self._under_way) < self._max_under_way or self._find(key) is not None

    def respond(self, key: object, make: Callable[[], Slices]) -> Response | DeferredResponse:
        """Respond as `make` does, or with the response that is under way. Raises OSError."""
        unfinished = self._find(key)
        if unfinished is not None:
            return DeferredResponse(unfinished.waiting.append)
        started = _SlicedResponse(key, make())
        response = started.advance()
        if response is not None:
            return response
        self._under_way.append(started)
        if len(self._under_way) == 1:
            self._loop.call_next_turn(self._advance)
        return DeferredResponse(started.waiting.append)

    def _find(self, key: object) -> _SlicedResponse | None:
        return next((found for found in self._under_way if found.key == key), None)

    def _advance(self) -> None:
        unfinished = self._under_way.popleft()
        try:
            response = unfinished.advance()
        except OSError:
            response = error_response(500)
        if response is None:
            self._under_way.append(unfinished)
        if self._under_way:
            self._loop.call_next_turn(self._advance)
        if response is not None:
            for send in unfinished.waiting:
                send(response)


class _SlicedResponse:
    """An unfinished response, and the clients that wait for it."""

    def __init__(self, key: object, slices: Slices) -> None:
        self.key = key
        self.waiting: list[SendResponse] = []
        self._slices = slices

    def advance(self) -> Response | None:
        """Make a slice. Returns the response once it is complete. Raises OSError."""
        try:
            next(self._slices)
        except StopIteration as end:
            response: Response = end.value
            return response
        return None
