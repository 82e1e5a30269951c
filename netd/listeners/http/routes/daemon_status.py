"""The daemon's status, requested from the supervisor when a client asks for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from netd.listeners.http.response.response import DeferredResponse, Response
from netd.listeners.kind import Daemon
from netd.runtime.loop import Loop

_FRESH_S: Final = 0.2  # the supervisor is asked at most this often, however many clients ask

Form = Callable[[dict[str, Any]], Response]


class DaemonStatus:
    """Keeps the last status for a moment; one request serves all clients that wait for it."""

    def __init__(self, loop: Loop, daemon: Daemon) -> None:
        self._loop = loop
        self._daemon = daemon
        self._body: dict[str, Any] = {}
        self._received_at = -_FRESH_S
        self._waiting: list[Callable[[dict[str, Any]], object]] = []

    def answer(self, form: Form) -> Response | DeferredResponse:
        """The response that `form` makes of the present status."""
        if self._loop.now - self._received_at < _FRESH_S:
            return form(self._body)
        return DeferredResponse(partial(self._request, form))

    def _on_status(self, body: dict[str, Any]) -> None:
        self._body, self._received_at = body, self._loop.now
        waiting, self._waiting = self._waiting, []
        for respond in waiting:
            respond(body)

    def _request(self, form: Form, give: Callable[[Response], object]) -> None:
        self._waiting.append(lambda body: give(form(body)))
        if len(self._waiting) == 1:
            self._daemon.request_status(self._on_status)
