"""One process of a worker: its link, its pidfd, and its end."""

from __future__ import annotations

import contextlib
import logging
import signal
from collections.abc import Callable, Sequence
from typing import Final

from netd.errors import LocalProtocolError
from netd.listeners.kind import AnyKind
from netd.listeners.link_endpoint import Link
from netd.listeners.worker import run_worker
from netd.protocols.link import LinkMessage
from netd.runtime import process
from netd.runtime.fd_channel import FdChannel
from netd.runtime.journal import name_listener
from netd.runtime.loop import Loop
from netd.runtime.poller import READ

UNKILLABLE_S: Final = 5.0  # from SIGKILL until a process that does not end is abandoned

_log = logging.getLogger("netd")


SpawnWorker = Callable[[str, AnyKind, FdChannel], process.Process]
"""Start a worker process: (listener's name, kind, its end of the link). Raises OSError."""


def spawn_worker(name: str, kind: AnyKind, channel: FdChannel) -> process.Process:
    """Fork a worker process. Raises OSError if the system has no room for it."""

    def run() -> None:
        process.set_name(f"netd: {name}")
        name_listener(name)
        run_worker(kind, channel)

    return process.spawn(run, keep=(channel.fileno(), *channel.descriptors))


class WorkerProcess:
    """Starts a process, and watches it.

    `on_end(pid, status)` is called once it has ended, or was abandoned.
    """

    def __init__(
        self,
        loop: Loop,
        spawn: Callable[[FdChannel], process.Process],
        *,
        on_message: Callable[[LinkMessage], object],
        on_link_error: Callable[[OSError | LocalProtocolError], object],
        on_end: Callable[[int, str], object],
    ) -> None:
        """Start it with its end of a channel. Raises OSError if the system has no room for it."""
        self._loop = loop
        self._on_end = on_end
        self._killed_at: float | None = None
        with contextlib.ExitStack() as undo:
            ours, theirs = FdChannel.pair()
            undo.callback(ours.close)
            with contextlib.closing(theirs):
                self._child = spawn(theirs)
            undo.callback(self._child.destroy)
            loop.watch(self._child.pidfd, READ, self._on_exit)
            undo.callback(loop.unwatch, self._child.pidfd)
            self._link: Link | None = Link(
                loop,
                ours,
                on_message=on_message,
                on_closed=self._close_link,
                on_error=on_link_error,
            )
            undo.pop_all()

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._child.pid

    @property
    def is_linked(self) -> bool:
        """False once the process has closed its end of the link: it ends."""
        return self._link is not None

    @property
    def obstacle(self) -> str:
        """Why a message to or from the process waits; empty if none is known to wait."""
        return self._link.obstacle if self._link is not None else ""

    def send(self, message: LinkMessage, descriptors: Sequence[int] = ()) -> None:
        """Send a message, unless the process ends."""
        if self._link is not None:
            self._link.send(message, descriptors)

    def take_descriptors(self, count: int) -> list[int]:
        """The descriptors that came with a message."""
        return self._link.take_descriptors(count) if self._link is not None else []

    def kill(self) -> None:
        """End the process now. Raises OSError if this process may not do that."""
        self._child.kill(signal.SIGKILL)
        self._killed_at = self._killed_at or self._loop.now

    @property
    def is_killed(self) -> bool:
        """Whether the process was killed, but has not ended yet."""
        return self._killed_at is not None

    def abandon_if_stuck(self) -> None:
        """Abandon a process that does not end in spite of SIGKILL: it waits for a disk, say."""
        if self._killed_at is None or self._loop.now - self._killed_at <= UNKILLABLE_S:
            return
        stuck = self._child
        _log.error("worker %d does not end; leaving it behind", stuck.pid)
        self._loop.unwatch(stuck.pidfd)

        def on_exit(_mask: int) -> None:
            self._loop.unwatch(stuck.pidfd)
            stuck.reap()

        self._loop.watch(stuck.pidfd, READ, on_exit)
        self._finish("does not end after SIGKILL")

    def _on_exit(self, _mask: int) -> None:
        if self._link is not None:
            self._link.receive()  # the messages sent before it ended
        exit_ = self._child.reap()
        if exit_ is not None:
            self._loop.unwatch(self._child.pidfd)
            self._finish(str(exit_))

    def _finish(self, status: str) -> None:
        self._close_link()
        self._on_end(self.pid, status)

    def _close_link(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None
