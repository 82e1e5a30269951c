"""How the whole daemon is, asked of the supervisor when a client wants to see it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from netd.listeners.http.response.response import DeferredResponse, Response
from netd.runtime.loop import Loop

_FRESH_S: Final = 0.2  # however many ask, the supervisor is asked no more often than this

Form = Callable[[dict[str, Any]], Response]


class DaemonStatus:
    """Gathers who waits for the supervisor's answer; one question serves them all."""

    def __init__(self, loop: Loop, inquire: Callable[[], object]) -> None:
        self._loop = loop
        self._inquire = inquire
        self._body: dict[str, Any] = {}
        self._told_at = -_FRESH_S
        self._waiting: list[Callable[[dict[str, Any]], object]] = []

    def answer(self, form: Form) -> Response | DeferredResponse:
        """What `form` makes of the daemon's status as it is now."""
        if self._loop.now - self._told_at < _FRESH_S:
            return form(self._body)
        return DeferredResponse(partial(self._ask, form))

    def tell(self, body: dict[str, Any]) -> None:
        """The supervisor has answered."""
        self._body, self._told_at = body, self._loop.now
        waiting, self._waiting = self._waiting, []
        for take in waiting:
            take(body)

    def _ask(self, form: Form, give: Callable[[Response], object]) -> None:
        self._waiting.append(lambda body: give(form(body)))
        if len(self._waiting) == 1:
            self._inquire()
