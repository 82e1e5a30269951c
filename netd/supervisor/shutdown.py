"""The end of the daemon: its workers drain until a deadline, and are then killed."""

from __future__ import annotations

import logging
from typing import Final

from netd.runtime.loop import Loop
from netd.supervisor.fleet import Fleet

_HURRY_S: Final = 0.5  # from the second stop signal until workers are killed
_LEAVE_S: Final = 0.2  # from a restart's handover until this process ends, with its workers
_GRACE_S: Final = 1.0  # from the drain's deadline until workers are killed

_log = logging.getLogger("netd")


class Shutdown:
    """Ends the loop once there is no worker any more."""

    def __init__(self, loop: Loop, fleet: Fleet) -> None:
        self._loop = loop
        self._fleet = fleet
        self.is_begun = False
        """Whether the daemon is stopping, or leaves its clients to the next process."""

    def begin(self) -> None:
        """From now on the loop ends as soon as there is no worker."""
        self.is_begun = True

    def drain(self) -> None:
        """Let the workers finish their connections within `drain_timeout`."""
        timeout_s = self._fleet.config.netd.drain_timeout
        self._fleet.drain(timeout_s, stopping=True)
        self._fleet.close_sockets()
        self._loop.call_later(timeout_s + _GRACE_S, self._kill_all)
        self.end_if_drained()

    def hurry(self) -> None:
        """Have the workers close open connections at once."""
        _log.info("second stop signal: closing open connections")
        self._fleet.drain(0, stopping=True)
        self._loop.call_later(_HURRY_S, self._kill_all)

    def leave(self) -> None:
        """End without a drain: the next process has the clients. Workers have a moment to end."""
        self.begin()
        self._fleet.table.leave_files()
        self._fleet.close_sockets()
        self._loop.call_later(_LEAVE_S, self._loop.stop)
        self.end_if_drained()

    def end_if_drained(self) -> None:
        """End the loop, in a shutdown, if all workers have ended."""
        if self.is_begun and not any(self._fleet.workers):
            self._loop.stop()

    def _kill_all(self) -> None:
        for worker in tuple(self._fleet.workers):
            text = "%s: worker %s did not drain; killing it"
            _log.warning(text, worker.name, worker.pid, extra={"listener": worker.name})
            worker.kill()
