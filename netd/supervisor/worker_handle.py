"""The supervisor's handle of one worker: its process and the link to it.

A handle outlives its processes: after an unexpected end it starts the next one. The handle decides
nothing about the daemon; it reports events to its observer.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from netd.config.model import ListenerOptions
from netd.errors import LocalProtocolError
from netd.listeners.bundle import Bundle, copy_all
from netd.listeners.counters import Counters
from netd.listeners.kind import AnyKind
from netd.protocols.link import (
    Configure,
    Drain,
    Exit,
    Failed,
    Go,
    HandedOver,
    HandOver,
    Heartbeat,
    LinkMessage,
    NotHandedOver,
    OwnAddresses,
    Ready,
    Release,
    Reloaded,
    RequestReload,
    RequestStatus,
    Resume,
    Retiring,
    Snapshot,
    Status,
)
from netd.runtime.fd_channel import FdChannel
from netd.runtime.loop import Loop
from netd.runtime.process import Process
from netd.supervisor.lifecycle import TRANSITIONS, WorkerEvent, WorkerState
from netd.supervisor.next_start import NextStart
from netd.supervisor.pending_handover import PendingHandover
from netd.supervisor.succession import Succession
from netd.supervisor.worker_configuration import (
    NO_QUEUES,
    Queues,
    Sockets,
    WorkerConfiguration,
)
from netd.supervisor.worker_observer import WorkerObserver
from netd.supervisor.worker_process import SpawnWorker, WorkerProcess, spawn_worker
from netd.supervisor.worker_report import WorkerReport

_RETRY_S = 1.0  # until the next attempt to fork, where the system had no room for a process

OnHandedOver = Callable[["WorkerHandle", Bundle | str], object]
"""Gets a worker and its bundle, or the reason why there is none; empty if its process has ended."""


class WorkerHandle:
    """One of a listener's workers, over all processes that run it one after the other."""

    def __init__(
        self,
        loop: Loop,
        observer: WorkerObserver[WorkerHandle],
        name: str,
        kind: AnyKind,
        spawn: SpawnWorker = spawn_worker,
    ) -> None:
        self.name = name
        self.kind = kind
        self.number = 0
        """The number among the workers of the listener (`Daemon.worker_number`)."""
        self.state = WorkerState.ENDED
        self.restarts = 0
        self.report = WorkerReport(loop.now)
        self._kill_reason = ""  # set if the supervisor itself ended the process
        self._loop = loop
        self._observer = observer
        self._requests = {
            Retiring: observer.on_retiring,
            RequestStatus: observer.on_status_requested,
            RequestReload: observer.on_reload_requested,
        }
        self._spawn_process = spawn
        self._log = logging.LoggerAdapter(logging.getLogger("netd"), {"listener": name})
        self._process: WorkerProcess | None = None
        self._own_addresses = OwnAddresses(())
        self._configuration: WorkerConfiguration | None = None
        self._awaits_reply = False  # to a Configure
        self._succession = Succession()
        self._handover = PendingHandover()
        self._next_start = NextStart(loop, self._start_again)

    @property
    def pid(self) -> int | None:
        """The present process, if there is one."""
        return self._process.pid if self._process else None

    @property
    def is_well(self) -> bool:
        """True if the worker serves or drains, is not degraded, and does not keep crashing."""
        is_active = self.state in (WorkerState.SERVING, WorkerState.DRAINING)
        is_hindered = self.is_silent or self.report.degraded
        return is_active and not is_hindered and self._next_start.is_settled

    @property
    def is_silent(self) -> bool:
        """True if the process is alive, but several of its heartbeats are missing."""
        return self._process is not None and self.report.is_silent(self._loop.now)

    @property
    def problem(self) -> str:
        """Why the worker is not well, or why its last process ended; empty without a problem."""
        return self._hindrance or self.report.last_error

    @property
    def delay(self) -> str:
        """The name and the process of a worker that has not replied, with the reason if known."""
        if self._process is None:
            return f"{self.name} (no process): {self.report.last_error}"
        reason = self._process.obstacle or self._hindrance
        return f"{self.name} (pid {self.pid})" + (f": {reason}" if reason else "")

    @property
    def _hindrance(self) -> str:
        """The fault of the present process; empty if there is none."""
        if self.is_silent:
            return f"no heartbeat for {self._silence_s:.0f} s"
        return self.report.degraded

    @property
    def counters(self) -> Counters:
        """The totals of all its processes, and the gauges of the present one."""
        return self.report.counters

    def start(
        self,
        options: ListenerOptions,
        sockets: Sockets,
        bundles: Sequence[Bundle] = (),
        *,
        needs_state: bool = False,
        queues: Queues = NO_QUEUES,
    ) -> None:
        """Fork the first process. Raises OSError if the system has no room for it.

        It takes over the clients of the bundles at `go`; the handle copies the bundles. With
        `needs_state` the worker fails if it cannot load a bundle; else those clients are lost.
        """
        self._configuration = WorkerConfiguration(options, sockets, queues)
        self._succession.inherit(bundles, needs_state=needs_state)
        self.state = WorkerState.STARTING
        try:
            self._spawn()
        except OSError:
            self._succession.drop()
            raise

    def configure(
        self, options: ListenerOptions, sockets: Sockets, queues: Queues = NO_QUEUES
    ) -> None:
        """Send the worker these options and sockets; the observer's on_ready or on_failed follows.

        A worker that waits for its next start is started at once: the new options may have
        removed the cause of the crash.
        """
        self._configuration = WorkerConfiguration(options, sockets, queues)
        if self._next_start.cancel():
            self._start_again()
        elif self._process is not None:
            self._awaits_reply = True
            self._send(*self._configuration_message())

    def announce(self, own: OwnAddresses) -> None:
        """Send the daemon's addresses, now and to each process to come."""
        self._own_addresses = own
        self._send(own)

    def release_sockets(self) -> None:
        """Have the worker close the sockets of earlier configurations."""
        self._send(Release())

    def drain(self, within_s: float | None, *, stopping: bool) -> None:
        """Let the worker drain; the observer's on_ended follows."""
        self._finish(Drain(within_s, stopping))

    def _finish(self, message: Drain | Exit) -> None:
        self._step(WorkerEvent.DRAIN)
        self._succession.drop()
        if self._process is not None:
            self._process.send(message)
        elif self._next_start.cancel():
            self._observer.on_ended(self)

    def go(self) -> None:
        """Let the worker serve the clients of its bundles, as soon as it is ready."""
        self._succession.allow_go()
        if self.state is not WorkerState.STARTING:
            self._send_go()

    def hand_over(self, within_s: float, on_done: OnHandedOver) -> None:
        """Have the worker pack all its clients, and serve none until `resume` or `dismiss`."""
        if self._process is None or not self._process.is_linked:
            on_done(self, "")
            return
        self._handover.begin(lambda outcome: on_done(self, outcome))
        self._send(HandOver(within_s))

    def resume(self) -> None:
        """Have the worker serve its clients again: the handover was abandoned."""
        self._handover.abandon()
        self._send(Resume())

    def dismiss(self, within_s: float | None = None) -> None:
        """Have the worker exit: another one serves its clients. on_ended follows.

        A client that it could not hand over is served for `within_s` seconds (None: no deadline).
        """
        self._handover.abandon()
        self._finish(Exit(within_s))

    def left_behind(self) -> list[Bundle]:
        """Copies of what a process of this worker leaves to the next one if it is killed now."""
        return copy_all(self._succession.bundles)

    def let_finish(self) -> None:
        """Start no successor here: the worker drains by itself; on_ended follows."""
        self._step(WorkerEvent.DRAIN)

    def send_status(self, status: dict[str, Any]) -> None:
        """Reply to a request for the status."""
        self._send(Status(status))

    def send_reload_result(self, *, ok: bool, detail: str) -> None:
        """Reply to a request for a reload."""
        self._send(Reloaded(ok, detail))

    def kill(self) -> None:
        """End the process now."""
        if self._process is None:
            return
        try:
            self._process.kill()
        except OSError as error:
            self._log.error("%s: cannot kill worker %d: %s", self.name, self.pid, error.strerror)

    def kill_if_silent(self, timeout_s: float) -> None:
        """Kill a process that has sent nothing for `timeout_s` seconds; a successor is started.

        A process that does not end in spite of SIGKILL (it waits for a disk, for example) is
        abandoned, and its successor is started.
        """
        if self._process is None:
            return
        if self._process.is_killed:
            self._process.abandon_if_stuck()
        elif self._silence_s > timeout_s:
            reason = f"no heartbeat for {self._silence_s:.0f} s"
            self._log.error("%s: worker %d gave %s; killing it", self.name, self.pid, reason)
            self._kill_because(reason)

    @property
    def _silence_s(self) -> float:
        return self.report.silence_s(self._loop.now)

    def _kill_because(self, reason: str) -> None:
        self.report.last_error = self._kill_reason = reason
        self.kill()

    def _spawn(self) -> None:
        message, descriptors = self._configuration_message()

        def spawn(channel: FdChannel) -> Process:
            channel.inherit(descriptors)
            return self._spawn_process(self.name, self.kind, channel)

        self._process = WorkerProcess(
            self._loop,
            spawn,
            on_message=self._on_message,
            on_link_error=self._on_link_error,
            on_end=self._after_exit,
        )
        self.report.on_start(self._loop.now)
        self._next_start.on_start()
        if self._own_addresses.datagram_names:
            self.announce(self._own_addresses)
        self._awaits_reply = True
        self._send(message)

    def _send(self, message: LinkMessage, descriptors: Sequence[int] = ()) -> None:
        """Send a message to the present process, if there is one."""
        if self._process is not None:
            self._process.send(message, descriptors)

    def _configuration_message(self) -> tuple[Configure, list[int]]:
        """The configuration for the present process, which has to reply, or for the next one."""
        assert self._configuration is not None
        bundles = self._succession.bundles if self.state is WorkerState.STARTING else ()
        needs_state = self._succession.needs_state
        return self._configuration.message(self.name, self.number, bundles, needs_state=needs_state)

    def _on_message(self, message: LinkMessage) -> None:
        self.report.heard_at = self._loop.now
        match message:
            case Heartbeat():
                self._on_heartbeat(message)
            case Ready():
                self._awaits_reply = False
                self._step(WorkerEvent.READY)
                self._send_go()
                self._observer.on_ready(self)
            case Failed(reason):
                self._on_failed(reason)
            case HandedOver(count):
                self._handover.on_bundle(self._take_descriptors(count))
            case Snapshot():
                self._succession.on_snapshot(self._take_descriptors(1))
            case NotHandedOver(reason):
                self._handover.end(reason)
            case Retiring() | RequestStatus() | RequestReload():
                self._requests[type(message)](self)

    def _take_descriptors(self, count: int) -> list[int]:
        return self._process.take_descriptors(count) if self._process is not None else []

    def _send_go(self) -> None:
        if self._succession.is_go_due and self._process is not None:
            self._send(Go())
            self._succession.on_go()

    def _on_heartbeat(self, heartbeat: Heartbeat) -> None:
        was_degraded = bool(self.report.degraded)
        self.report.on_heartbeat(heartbeat)
        reason = heartbeat.degraded
        if reason and not was_degraded:
            self._log.warning("%s: worker %d is degraded: %s", self.name, self.pid, reason)
        elif was_degraded and not reason:
            self._log.info("%s: worker %d is well again", self.name, self.pid)

    def _on_link_error(self, error: OSError | LocalProtocolError) -> None:
        self._kill_because(str(error))

    def _on_failed(self, reason: str) -> None:
        self._awaits_reply = False
        self.report.last_error = reason
        has_no_configuration = self.state is WorkerState.STARTING
        self._observer.on_failed(self, reason)
        if has_no_configuration:
            self._kill_because(reason)

    def _after_exit(self, pid: int, status: str) -> None:
        self._process = None
        self.report.on_exit()
        self._step(WorkerEvent.EXITED)
        if self._handover.is_pending:  # its outcome may end the handle, or this process
            text = "%s: worker %d ended (%s) before it handed over its clients"
            self._log.error(text, self.name, pid, status)
            self._handover.end("")
        if self.state is WorkerState.ENDED:
            self._succession.drop()
            self._observer.on_ended(self)
        else:
            self._succession.on_crash()
            self._after_crash(pid, status)

    def _after_crash(self, pid: int, status: str) -> None:
        self.report.last_error, self._kill_reason = self._kill_reason or status, ""
        delay_s = self._next_start.schedule()
        self._log.error(
            "%s: worker %d ended (%s); next start in %.1f s", self.name, pid, status, delay_s
        )
        if self._awaits_reply:
            self._awaits_reply = False
            self._observer.on_crashed(self, f"worker {pid} ended: {status}")

    def _start_again(self) -> None:
        self._step(WorkerEvent.DUE)
        self.restarts += 1
        try:
            self._spawn()
        except OSError as error:
            self.report.last_error = f"cannot be started: {error.strerror}"
            self._log.error("%s: cannot start a worker: %s", self.name, error.strerror)
            self._step(WorkerEvent.EXITED)
            self._next_start.schedule(at_least_s=_RETRY_S)

    def _step(self, event: WorkerEvent) -> None:
        self.state = TRANSITIONS[self.state, event]
