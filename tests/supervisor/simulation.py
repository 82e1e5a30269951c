"""The supervisor's parts on a simulated clock, with workers that this process plays itself.

The loop, the links, the sockets and all of netd.supervisor are the real ones. The clock moves only
when nothing is left to do, and each worker is the other end of a real link.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import signal
import socket
from collections.abc import Iterator, Sequence

from netd.listeners.bundle import of_descriptors, pack, read_state
from netd.listeners.kind import AnyKind, Handover
from netd.protocols.link import (
    Configure,
    Drain,
    Exit,
    Go,
    HandedOver,
    HandOver,
    Heartbeat,
    LinkMessage,
    Ready,
    Resume,
    Retiring,
    format_message,
    parse_message,
)
from netd.runtime import process
from netd.runtime.fd_channel import ChannelClosedError, FdChannel
from netd.runtime.loop import Loop
from netd.runtime.poller import EpollPoller

_FIRST_PID = 1_000_000_000  # above pid_max, so that no real process is meant
READY = itertools.repeat(Ready())


class SimulatedClock(EpollPoller):
    """A poller that never waits: its clock jumps by the time that it would have waited."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.allowed_s = 0.0
        """By how much the clock may still move."""
        self.is_idle = False

    def read(self) -> float:
        """The time in seconds."""
        return self.now

    def poll(self, timeout_s: float) -> list[tuple[int, int]]:
        ready = super().poll(0)
        moved_s = 0.0 if ready else min(timeout_s, self.allowed_s)
        self.is_idle = not ready and moved_s < timeout_s
        self.now += moved_s
        self.allowed_s -= moved_s
        return ready


class SimulatedProcess(process.Process):
    """A worker's process, as WorkerHandle sees it; `pidfd` is an eventfd."""

    __slots__ = ()

    def kill(self, signum: signal.Signals) -> None:
        worker = WORKERS[self.pid]
        worker.pending = process.Exit(signum, by_signal=True)
        if not worker.is_frozen:
            worker.thaw()

    def reap(self) -> process.Exit | None:
        worker = WORKERS.pop(self.pid)
        os.close(self.pidfd)
        return worker.exit


class SimulatedWorker:
    """The worker's end of a link. It replies only when a test, or `obey`, has it reply."""

    def __init__(self, name: str, pid: int, channel: FdChannel) -> None:
        self.name = name
        self.process = SimulatedProcess(pid, os.eventfd(0))
        self.exit: process.Exit | None = None
        self._is_retiring = False
        self.is_frozen = False
        """Whether it waits for a disk and so cannot be killed (state D, proc_pid_stat(5))."""
        self.pending: process.Exit | None = None  # the end by a signal that has been sent
        self.clients: set[int] = set()
        """The clients that it serves, or has served if it has ended."""
        self.loaded: set[int] = set()
        """The clients that it serves from Go on."""
        self.is_held = False
        """Whether its loop does not turn, because of a handover."""
        self._has_handed_over = False
        self.is_dismissed = False
        """Whether it ended because another worker took over."""
        self._channel = FdChannel(socket.socket(fileno=os.dup(channel.fileno())))
        self._channel.inherit(channel.descriptors)

    def receive(self) -> list[LinkMessage]:
        """The messages that have come; the descriptors that came with them are closed."""
        if self.exit is not None:
            return []
        with contextlib.suppress(ChannelClosedError):
            messages = [parse_message(line) for line in self._channel.receive()]
            for message in messages:
                if isinstance(message, Configure):
                    self._take(message)
            return messages
        return []

    def _take(self, message: Configure) -> None:
        for fd in self._channel.take_descriptors(len(message.sockets)):
            os.close(fd)
        for count in message.bundles:
            with contextlib.closing(
                of_descriptors(self._channel.take_descriptors(count))
            ) as bundle:
                self.loaded |= set(read_state(bundle, "echo").state["clients"])
                self.is_held = True

    def send(self, message: LinkMessage | bytes, descriptors: Sequence[int] = ()) -> None:
        """Send a message, or any line."""
        if self.exit is None:
            line = message if isinstance(message, bytes) else format_message(message)
            self._channel.send(line, descriptors)

    @property
    def serves(self) -> bool:
        """Whether its clients get replies."""
        return self.exit is None and not self.is_held

    def _hand_over(self) -> None:
        self.is_held = self._has_handed_over = True
        with contextlib.closing(
            pack("echo", Handover({"clients": sorted(self.clients)}))
        ) as bundle:
            descriptors = bundle.descriptors
            self.send(HandedOver(len(descriptors)), descriptors)

    def retire(self) -> None:
        """Do as a worker does that received SIGTERM; `obey` then ends it."""
        self.send(Retiring())
        self._is_retiring = True

    def freeze(self) -> None:
        """Wait for a disk: ignore all messages and signals."""
        self.is_frozen = True

    def thaw(self) -> None:
        """Continue, or end if a signal has arrived."""
        self.is_frozen = False
        if self.pending is not None:
            self.end(self.pending)

    def end(self, exit_: process.Exit | None = None) -> None:
        """End the process."""
        if self.exit is None:
            self.exit = exit_ or process.Exit(0, by_signal=False)
            self._channel.close()
            os.eventfd_write(self.process.pidfd, 1)

    def _carry_out(self, message: LinkMessage) -> None:
        match message:
            case HandOver():
                self._hand_over()
            case Resume():
                self.is_held = self._has_handed_over = False
            case Go():
                self.clients |= self.loaded
                self.is_held = False
            case Exit():
                self.is_dismissed = self._has_handed_over
                self.end()
            case Drain():
                self.end()

    def obey(self, replies: Iterator[LinkMessage] = READY) -> bool:
        """Carry out the supervisor's requests; return whether there was one.

        A configuration gets the next of the replies.
        """
        messages = [] if self.is_frozen else self.receive()
        for message in messages:
            if isinstance(message, Configure):
                self.send(next(replies))
            else:
                self._carry_out(message)
        if not self.is_frozen:
            self.send(Heartbeat({"accepted": 1}, {"connections": 0}))
        if self._is_retiring:
            self.end()
        return bool(messages)


WORKERS: dict[int, SimulatedWorker] = {}
"""Those whose processes were not reaped, by pid."""


class Simulation:
    """A loop on a simulated clock, and `spawn`, which starts simulated workers."""

    def __init__(self) -> None:
        WORKERS.clear()
        self.clock = SimulatedClock()
        self.loop = Loop(self.clock, self.clock.read)
        self.started = 0
        self.all_workers: list[SimulatedWorker] = []
        """Every worker that was ever started."""
        self.spawn_error: OSError | None = None

    @property
    def workers(self) -> list[SimulatedWorker]:
        """The workers that live, the oldest first."""
        return [worker for worker in WORKERS.values() if worker.exit is None]

    def spawn(self, name: str, _kind: AnyKind, channel: FdChannel) -> process.Process:
        """Start a simulated worker, or raise `spawn_error`."""
        if self.spawn_error is not None:
            raise self.spawn_error
        self.started += 1
        worker = SimulatedWorker(name, _FIRST_PID + self.started, channel)
        WORKERS[worker.process.pid] = worker
        self.all_workers.append(worker)
        return worker.process

    def settle(self) -> None:
        """Turn the loop until nothing is left to do at this time."""
        self.advance(0)

    def advance(self, seconds: float) -> None:
        """Let time pass; everything that is due meanwhile happens."""
        self.clock.allowed_s = seconds
        self.clock.is_idle = False
        while self.loop.is_running and not self.clock.is_idle:
            self.loop.turn()

    def obey(self, replies: Iterator[LinkMessage] = READY) -> None:
        """Let all workers carry out the supervisor's requests, until there are no more."""
        is_busy = True
        while is_busy:
            self.settle()
            asked = [worker.obey(replies) for worker in self.workers]
            is_busy = any(asked)
        self.settle()

    def close(self) -> None:
        """End every worker, start no other, and give back the descriptors."""
        self.spawn_error = OSError(errno.EAGAIN, "the simulation is over")
        for worker in self.workers:
            worker.end()
        self.settle()
        self.loop.close()
