"""The requests for a reload: those that wait, and those that the reload in progress answers."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from netd.errors import NetdError
from netd.protocols.control import Reply
from netd.supervisor.control_server import SendReply

_log = logging.getLogger("netd")


@dataclass(frozen=True, slots=True)
class ReloadOutcome:
    """The outcome of a reload."""

    at: float  # seconds since the epoch
    ok: bool
    detail: str  # the changes, or the errors, one on each line


class ReloadRequests:
    """One reload answers all requests that came before it began."""

    def __init__(self) -> None:
        self.outcome: ReloadOutcome | None = None
        """The outcome of the last reload."""
        self._waiting: list[SendReply] = []
        self._current: list[SendReply] = []

    def add(self, respond: SendReply) -> None:
        """Let a request wait for the next reload."""
        self._waiting.append(respond)

    @property
    def are_waiting(self) -> bool:
        """Whether another reload is needed."""
        return bool(self._waiting)

    @property
    def are_in_progress(self) -> bool:
        """Whether requests wait for the end of a reload that has begun."""
        return bool(self._current)

    def begin(self) -> None:
        """The reload that begins now answers the requests that wait."""
        self._current, self._waiting = self._waiting, []

    def finish(self, error: NetdError | None, changes: str) -> None:
        """Log and keep the outcome of a reload."""
        detail = str(error) if error else changes
        self.outcome = ReloadOutcome(time.time(), error is None, detail)
        if error is None:
            _log.info("reloaded: %s", changes)
        else:
            _log.error("reload refused, nothing changed:\n%s", detail)

    def respond(self) -> None:
        """Send the last outcome to the requests that the reload answers."""
        requests, self._current = self._current, []
        if self.outcome is not None:
            detail = self.outcome.detail
            reply = Reply({"detail": detail}, "" if self.outcome.ok else detail)
            for respond in requests:
                respond(reply)
