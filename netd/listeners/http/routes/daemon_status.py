"""The daemon's status, requested from the supervisor when a client requests the page."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from netd.listeners.http.protocol.response import DeferredResponse, Response, SendResponse
from netd.listeners.kind import Daemon
from netd.runtime.loop import Loop

_FRESH_S: Final = 0.2  # a younger status is used again

Format = Callable[[dict[str, Any]], Response]


class DaemonStatus:
    """Keeps the last status for 0.2 s; one request serves all clients that wait for a status."""

    def __init__(self, loop: Loop, daemon: Daemon) -> None:
        self._loop = loop
        self._daemon = daemon
        self._status: dict[str, Any] = {}
        self._received_at = -_FRESH_S
        self._waiting: list[Callable[[dict[str, Any]], object]] = []

    def respond(self, format_status: Format) -> Response | DeferredResponse:
        """Respond with the present status, formatted by `format_status`."""
        if self._loop.now - self._received_at < _FRESH_S:
            return format_status(self._status)
        return DeferredResponse(partial(self._request, format_status))

    def _on_status(self, status: dict[str, Any]) -> None:
        self._status, self._received_at = status, self._loop.now
        waiting, self._waiting = self._waiting, []
        for respond in waiting:
            respond(status)

    def _request(self, format_status: Format, send: SendResponse) -> None:
        self._waiting.append(lambda status: send(format_status(status)))
        if len(self._waiting) == 1:
            self._daemon.request_status(self._on_status)
