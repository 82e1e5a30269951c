"""One worker of a listener: its process, the link to it, and what it last said.

A worker outlives its processes: when one ends unasked, the next is started in its place. It
decides nothing about the daemon; it tells its watcher what happened.
"""

from __future__ import annotations

import logging
import random
import signal
import socket
from collections import Counter
from collections.abc import Sequence
from typing import Any, Protocol

from netd.config.address import Address
from netd.config.model import ListenerOptions
from netd.config.serialize import to_plain
from netd.errors import LocalProtocolError
from netd.listeners.base import Kind, serve
from netd.protocols.link import (
    Configure,
    Drain,
    Failed,
    Heartbeat,
    Inquire,
    Ready,
    Reload,
    Reloaded,
    Retiring,
    Status,
    format_message,
    parse_message,
)
from netd.runtime import process
from netd.runtime.fd_channel import ChannelClosedError, FdChannel
from netd.runtime.journal import name_listener
from netd.runtime.loop import Loop, Timer
from netd.runtime.poller import READ, WRITE
from netd.supervisor.lifecycle import TRANSITIONS, Event, RestartPolicy, State

_PRESENT_NUMBERS = frozenset({"connections"})  # counters that are not totals

Sockets = Sequence[tuple[Address, socket.socket]]


def total(*counters: Counter[str]) -> Counter[str]:
    """The sum, in which zeros stay."""
    whole: Counter[str] = Counter()
    for each in counters:
        whole.update(each)
    return whole


class WorkerObserver(Protocol):
    """Who is told what becomes of a worker."""

    def on_ready(self, worker: WorkerHandle) -> None:
        """Its last configuration is in force."""

    def on_failed(self, worker: WorkerHandle, reason: str) -> None:
        """It refused its last configuration, or its process ended before it answered."""

    def on_ended(self, worker: WorkerHandle) -> None:
        """It was drained and is gone."""

    def on_retiring(self, worker: WorkerHandle) -> None:
        """It was asked by somebody else to finish, and takes nothing new."""

    def on_inquiry(self, worker: WorkerHandle) -> None:
        """It wants to be told how the whole daemon is."""

    def on_reload_asked(self, worker: WorkerHandle) -> None:
        """It wants the configuration read again, and to be told the outcome."""


class WorkerHandle:
    """A place for one process that serves a listener."""

    def __init__(self, loop: Loop, watcher: WorkerObserver, name: str, kind: Kind) -> None:
        self.name = name
        self.kind = kind
        self.state = State.ENDED
        self.restarts = 0
        self.last_error = ""
        self._why_killed = ""  # where it is us who ended its process
        self.started_at = self.heard_at = loop.now
        self._loop = loop
        self._watcher = watcher
        self._log = logging.LoggerAdapter(logging.getLogger("netd"), {"listener": name})
        self._policy = RestartPolicy()
        self._process: process.Process | None = None
        self._channel: FdChannel | None = None
        self._configuration: tuple[ListenerOptions, Sockets] | None = None
        self._asked = False  # a Configure waits for its answer
        self._restart: Timer | None = None
        self._past: Counter[str] = Counter()
        self._present: Counter[str] = Counter()

    @property
    def pid(self) -> int | None:
        """The process that serves now."""
        return self._process.pid if self._process else None

    @property
    def is_well(self) -> bool:
        """Serving or draining as it should, and not time after time restarted."""
        return self.state in (State.SERVING, State.DRAINING) and self._policy.is_settled(
            self._loop.now
        )

    @property
    def counters(self) -> Counter[str]:
        """What this worker's processes did in all; connections are those of now."""
        return total(self._past, self._present)

    def start(self, options: ListenerOptions, sockets: Sockets) -> None:
        """Fork the first process. OSError where the system has no room for it."""
        self._configuration = options, sockets
        self.state = State.STARTING
        self._spawn()

    def configure(self, options: ListenerOptions, sockets: Sockets) -> None:
        """Serve so from now on; the watcher hears on_ready or on_failed.

        One that waits for its next start is started at once: what it ended of may be mended.
        """
        self._configuration = options, sockets
        if self._restart is not None and self._restart.is_live:
            self._restart.cancel()
            self._start_again()
        else:
            self._ask()

    def drain(self, within_s: float | None, *, stopping: bool) -> None:
        """Finish and go; the watcher hears on_ended."""
        self._step(Event.DRAIN)
        if self._channel is not None:
            self._send(format_message(Drain(within_s, stopping)))
        elif self._process is None and self._restart is not None:  # else its end is near
            self._restart.cancel()
            self._watcher.on_ended(self)

    def let_finish(self) -> None:
        """It goes by itself, and is not to be started again; the watcher hears on_ended."""
        self._step(Event.DRAIN)

    def inform(self, status: dict[str, Any]) -> None:
        """Tell it how the whole daemon is."""
        if self._channel is not None:
            self._send(format_message(Status(status)))

    def inform_of_reload(self, *, ok: bool, detail: str) -> None:
        """Tell it what became of the reload it asked for."""
        if self._channel is not None:
            self._send(format_message(Reloaded(ok, detail)))

    def kill(self) -> None:
        """End the process this instant."""
        if self._process is not None:
            self._process.kill(signal.SIGKILL)

    def kill_if_silent(self, timeout_s: float) -> None:
        """End a process that has not been heard of for so long; it will be replaced."""
        silence_s = self._loop.now - self.heard_at
        if self._process is not None and silence_s > timeout_s:
            why = f"no heartbeat for {silence_s:.0f} s"
            self._log.error("%s: worker %d gave %s; killing it", self.name, self.pid, why)
            self._put_down(why)

    def _put_down(self, why: str) -> None:
        self.last_error = self._why_killed = why
        self.kill()

    def _spawn(self) -> None:
        ours, theirs = FdChannel.pair()
        try:
            child = process.spawn(lambda: self._serve(theirs), keep=(theirs.fileno(),))
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self._process, self._channel = child, ours
        self.started_at = self.heard_at = self._loop.now
        self._policy.on_start(self._loop.now)
        self._loop.watch(child.pidfd, READ, self._on_exit)
        self._loop.watch(ours.fileno(), READ, self._on_channel_ready)
        self._ask()

    def _serve(self, channel: FdChannel) -> None:
        process.rename(f"netd: {self.name}")
        name_listener(self.name)
        serve(self.kind, channel)

    def _ask(self) -> None:
        if self._channel is None or self._configuration is None:
            return  # between two processes: the next one is asked when it starts
        options, sockets = self._configuration
        self._asked = True
        self._send(
            format_message(
                Configure(self.name, to_plain(options), tuple(str(addr) for addr, _ in sockets))
            ),
            [sock.fileno() for _, sock in sockets],
        )

    def _send(self, line: bytes, descriptors: Sequence[int] = ()) -> None:
        assert self._channel is not None
        self._channel.send(line, descriptors)
        self._watch_channel()

    def _watch_channel(self) -> None:
        if self._channel is not None:
            mask = READ | WRITE if self._channel.has_unsent else READ
            self._loop.change(self._channel.fileno(), mask)

    def _on_channel_ready(self, mask: int) -> None:
        assert self._channel is not None
        if mask & WRITE:
            self._channel.flush()
        if mask & ~WRITE:
            self._listen()
        self._watch_channel()

    def _listen(self) -> None:
        assert self._channel is not None
        try:
            lines = self._channel.receive()
        except ChannelClosedError:
            self._hang_up()
            return
        self.heard_at = self._loop.now
        for line in lines:
            self._hear(line)

    def _hear(self, line: bytes) -> None:
        try:
            message = parse_message(line)
        except LocalProtocolError as error:
            self._put_down(str(error))
            return
        match message:
            case Heartbeat(counters):
                self._present = Counter(counters)
            case Ready():
                self._asked = False
                self._step(Event.READY)
                self._watcher.on_ready(self)
            case Failed(reason):
                self._fail(reason)
            case Retiring():
                self._watcher.on_retiring(self)
            case Inquire():
                self._watcher.on_inquiry(self)
            case Reload():
                self._watcher.on_reload_asked(self)

    def _fail(self, reason: str) -> None:
        self._asked = False
        self.last_error = reason
        has_nothing_to_serve = self.state is State.STARTING
        self._watcher.on_failed(self, reason)
        if has_nothing_to_serve:
            self._put_down(reason)

    def _hang_up(self) -> None:
        if self._channel is not None:
            self._loop.forget(self._channel.fileno())
            self._channel.close()
            self._channel = None

    def _on_exit(self, _mask: int) -> None:
        assert self._process is not None
        if self._channel is not None:
            self._listen()  # what it said last
        self._hang_up()
        ended, pidfd = self._process, self._process.pidfd
        self._loop.forget(pidfd)
        exit_ = ended.reap()
        self._process = None
        self._retire_counters()
        self._step(Event.EXITED)
        if self.state is State.ENDED:
            self._watcher.on_ended(self)
        else:
            self._after_crash(ended.pid, str(exit_))

    def _after_crash(self, pid: int, how: str) -> None:
        self.last_error, self._why_killed = self._why_killed or how, ""
        delay_s = self._policy.delay_after_exit(self._loop.now, random.random())  # noqa: S311
        self._log.error(
            "%s: worker %d ended (%s); next start in %.1f s", self.name, pid, how, delay_s
        )
        self._restart = self._loop.call_later(delay_s, self._start_again)
        if self._asked:
            self._fail(f"worker {pid} ended: {how}")

    def _start_again(self) -> None:
        self._step(Event.DUE)
        self.restarts += 1
        try:
            self._spawn()
        except OSError as error:
            self.last_error = f"cannot be started: {error.strerror}"
            self._log.error("%s: cannot start a worker: %s", self.name, error.strerror)
            self._step(Event.EXITED)
            delay_s = self._policy.delay_after_exit(self._loop.now, random.random())  # noqa: S311
            self._restart = self._loop.call_later(max(delay_s, 1.0), self._start_again)

    def _retire_counters(self) -> None:
        for name, value in self._present.items():
            if name not in _PRESENT_NUMBERS:
                self._past[name] += value
        self._present = Counter()

    def _step(self, event: Event) -> None:
        self.state = TRANSITIONS[self.state, event]
