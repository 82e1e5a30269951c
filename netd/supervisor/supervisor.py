"""The supervisor: one loop where signals, workers' news and control requests meet.

It owns the fleet and decides when it changes; how a change is made safe is Apply's. It serves
no client of any listener.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import netd
from netd.config.address import Address
from netd.config.model import Config
from netd.errors import ControlError, NetdError
from netd.listeners.kind import AnyKind
from netd.protocols.control import Command, Reply
from netd.runtime import process
from netd.runtime.loop import Loop
from netd.runtime.signals import SignalWatch
from netd.runtime.systemd import Notifier
from netd.supervisor.control import Answer, ControlServer, make_directory
from netd.supervisor.fleet import Fleet
from netd.supervisor.reload import Reload
from netd.supervisor.socket_table import STORED, SocketTable
from netd.supervisor.status import ReloadOutcome, describe, outcome_as_data, summarize
from netd.supervisor.worker_handle import WorkerHandle

_TICK_S: Final = 1.0
_PAUSE_S: Final = 3.0  # a tick this late means that we ourselves were stopped
_HURRY_S: Final = 0.5
_GRACE_S: Final = 1.0  # between a drain's deadline and the end of patience

_log = logging.getLogger("netd")


class Supervisor:
    """Runs a configuration until it is told to stop.

    `load` reads the configuration file anew and checks it (ConfigError); `control_path` says
    where a configuration wants its control socket.
    """

    def __init__(
        self,
        loop: Loop,
        kinds: Mapping[str, AnyKind],
        table: SocketTable,
        load: Callable[[], Config],
        control_path: Callable[[Config], str],
    ) -> None:
        self._loop = loop
        self._load = load
        self._control_path = control_path
        self._fleet = Fleet(kinds, table, lambda name, kind: WorkerHandle(loop, self, name, kind))
        self._notifier = Notifier()
        self._control: ControlServer | None = None
        self._apply: Reload | None = None
        self._queued: list[Answer] = []
        self._answers: list[Answer] = []
        self._last_reload: ReloadOutcome | None = None
        self._failure: NetdError | None = None
        self._stopping = False
        self._started_at = self._ticked_at = loop.now

    def run(self) -> None:
        """Start, serve, and return when drained. Raises NetdError if it cannot start."""
        config = self._load()
        process.raise_descriptor_limit()
        self._control = self._open_control(config)
        self._watch_signals()
        self._loop.call_every(_TICK_S, self._tick)
        if self._notifier.watchdog_period_s is not None:
            self._loop.call_every(self._notifier.watchdog_period_s, self._feed_watchdog)
        gc.collect()
        gc.freeze()  # what is alive now stays shared with every worker
        self._change(config, self._on_started)
        self._loop.run()
        self._control.close()
        if self._failure is not None:
            raise self._failure

    def on_ready(self, worker: WorkerHandle) -> None:
        """A worker took its configuration."""
        if self._apply is not None:
            self._apply.on_ready(worker)

    def on_failed(self, worker: WorkerHandle, reason: str) -> None:
        """A worker could not take it."""
        if self._apply is not None:
            self._apply.on_failed(worker, reason)

    def on_ended(self, worker: WorkerHandle) -> None:
        """A worker drained and is gone."""
        self._fleet.forget(worker)
        self._leave_if_empty()

    def on_retiring(self, worker: WorkerHandle) -> None:
        """A worker was told by somebody else to finish; during a change it is replaced later."""
        if self._stopping or self._apply is not None:
            return
        try:
            self._fleet.replace(worker)
        except OSError as error:  # then as soon as it has ended
            told = (worker.name, error.strerror)
            text = "%s: no other worker can be started yet: %s"
            _log.warning(text, *told, extra={"listener": worker.name})

    def on_status_requested(self, worker: WorkerHandle) -> None:
        """A worker shows the daemon's status to its clients."""
        worker.send_status(self._status())

    def on_reload_requested(self, worker: WorkerHandle) -> None:
        """A worker's client, such as an IRC operator, requests a reload."""
        self._reload(
            lambda reply: worker.send_reload_result(
                ok=not reply.error, detail=reply.error or str(reply.body["detail"])
            )
        )

    def _watch_signals(self) -> None:
        SignalWatch(
            self._loop,
            {
                signal.SIGTERM: self._stop,
                signal.SIGINT: self._stop,
                signal.SIGHUP: lambda: self._reload(lambda _reply: None),
                signal.SIGUSR1: self._report,
            },
        )

    # Starting and reloading

    def _change(self, config: Config, on_done: Callable[[NetdError | None], None]) -> None:
        self._apply = Reload(self._loop, self._fleet, config, on_done)
        self._apply.begin()

    def _on_started(self, error: NetdError | None) -> None:
        self._apply = None
        if error is None:
            self._fleet.table.forget_unclaimed()
            self._store_sockets()
            self._log_addresses()
            self._notifier.ready(summarize(self._fleet))
            _log.info("netd %s is ready, pid %d", netd.__version__, os.getpid())
        elif not self._stopping:  # else it is no failure: somebody asked for the end
            self._failure = error
            self._stop()
        self._begin_reload()

    def _reload(self, answer: Answer) -> None:
        self._queued.append(answer)
        self._loop.defer(self._begin_reload)  # one for all that is asked for in a turn

    def _begin_reload(self) -> None:
        if self._apply is not None or not self._queued:
            return
        self._answers, self._queued = self._queued, []
        if self._stopping:
            self._finish_reload(ControlError("netd is stopping"), "")
            return
        self._notifier.reloading()
        try:
            desired = self._load()
            control = self._open_control_anew(desired)
        except NetdError as error:
            self._finish_reload(error, "")
        else:
            self._change(desired, lambda error: self._on_applied(error, control))

    def _on_applied(self, error: NetdError | None, control: ControlServer | None) -> None:
        assert self._apply is not None
        assert self._control is not None
        did, self._apply = str(self._apply.plan), None
        if error is None:
            self._store_sockets()
        if control is not None:
            retired = control if error else self._control
            self._control = self._control if error else control
            retired.close()
        self._finish_reload(error, did)

    def _finish_reload(self, error: NetdError | None, did: str) -> None:
        detail = str(error) if error else did
        self._last_reload = ReloadOutcome(time.time(), error is None, detail)
        if error is None:
            _log.info("reloaded: %s", did)
            self._log_addresses()
        else:
            _log.error("reload refused, nothing changed:\n%s", detail)
        if not self._stopping:
            self._notifier.ready(self._status_line())
        reply = Reply({"detail": detail}, detail if error else "")
        answers, self._answers = self._answers, []
        for answer in answers:
            answer(reply)
        self._begin_reload()

    def _store_sockets(self) -> None:
        """Let systemd hold what a restart would otherwise close under waiting clients."""
        table = self._fleet.table
        for label in table.stored_labels:
            self._notifier.unstore(label)
        table.stored_labels = {STORED + name for name in self._fleet.listeners}
        for name, listener in self._fleet.listeners.items():
            for sock in table.storable(name, listener.options):
                self._notifier.store(STORED + name, sock)

    # Stopping

    def _stop(self) -> None:
        if self._stopping:
            _log.info("asked again: closing what is open")
            self._fleet.drain(0, stopping=True)
            self._loop.call_later(_HURRY_S, self._kill_all)
            return
        self._stopping = True
        self._notifier.stopping()
        if self._apply is not None:
            self._apply.abort(ControlError("netd is stopping"))
        patience_s = self._fleet.config.netd.drain_timeout
        if self._failure is None:
            _log.info("stopping: draining for at most %g s", patience_s)
        self._fleet.drain(patience_s, stopping=True)
        self._fleet.table.keep_only({})
        self._loop.call_later(patience_s + _GRACE_S, self._kill_all)
        self._leave_if_empty()

    def _kill_all(self) -> None:
        for worker in tuple(self._fleet.workers):
            told = (worker.name, worker.pid)
            text = "%s: worker %s did not drain; killing it"
            _log.warning(text, *told, extra={"listener": worker.name})
            worker.kill()

    def _leave_if_empty(self) -> None:
        if self._stopping and not any(self._fleet.workers):
            self._loop.stop()

    # Watching

    def _tick(self) -> None:
        was_stopped = self._loop.now - self._ticked_at > _PAUSE_S
        self._ticked_at = self._loop.now
        for worker in tuple(self._fleet.workers):
            if was_stopped:
                worker.heard_at = self._loop.now
            worker.kill_if_silent(self._fleet.config.netd.heartbeat_timeout)
        if not self._stopping and self._apply is None:
            self._notifier.status(self._status_line())

    def _feed_watchdog(self) -> None:
        allowed_s = self._fleet.config.netd.heartbeat_timeout + _PAUSE_S
        if all(self._loop.now - worker.heard_at < allowed_s for worker in self._fleet.processes):
            self._notifier.alive()

    def _report(self) -> None:
        for entry in describe(self._fleet, self._loop.now):
            pids = ", ".join(f"{w['pid']} {w['state']}" for w in entry["workers"])
            counters = ", ".join(f"{value} {name}" for name, value in entry["counters"].items())
            told = (entry["name"], entry["state"], pids, counters)
            _log.info("%s: %s, workers %s; %s", *told, extra={"listener": entry["name"]})

    def _status_line(self) -> str:
        line = summarize(self._fleet)
        if self._last_reload is None or self._last_reload.ok:
            return line
        return f"{line}; last reload refused: {self._last_reload.detail}"

    def _log_addresses(self) -> None:
        for listener in self._fleet.listeners.values():
            for name in self._fleet.table.bound_names(listener.name, listener.options):
                hint = listener.kind.hint(Address.parse(name), listener.options)
                advice = f"; try: {hint}" if hint else ""
                told = (listener.name, listener.kind.name, name, advice)
                _log.info("%s: %s on %s%s", *told, extra={"listener": listener.name})

    # Control

    def _open_control(self, config: Config) -> ControlServer:
        path = self._control_path(config)
        if not config.netd.control:
            make_directory(path)
        return ControlServer(self._loop, path, config.netd, self._on_command)

    def _open_control_anew(self, desired: Config) -> ControlServer | None:
        """A second control socket, where a configuration moves it."""
        now, then = self._fleet.config, desired
        if self._control_path(now) == self._control_path(then):
            return None
        return self._open_control(then)

    def _on_command(self, command: Command, answer: Answer) -> None:
        match command:
            case Command.STATUS:
                answer(Reply(self._status()))
            case Command.RELOAD:
                self._reload(answer)

    def _status(self) -> dict[str, Any]:
        return {
            "version": netd.__version__,
            "pid": os.getpid(),
            "uptime_s": round(self._loop.now - self._started_at, 3),
            "state": self._state(),
            "last_reload": outcome_as_data(self._last_reload),
            "listeners": describe(self._fleet, self._loop.now),
        }

    def _state(self) -> str:
        if self._stopping:
            return "stopping"
        return "serving" if self._fleet.is_well else "degraded"
