"""The supervisor: one loop that handles signals, workers' events and control requests.

The supervisor owns the fleet and decides when the fleet changes; `Reload` makes each change safe.
The supervisor serves no client of any listener.
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
from netd.protocols.control import ControlCommand, Reply
from netd.runtime import process
from netd.runtime.journal import flush_log
from netd.runtime.loop import Loop
from netd.runtime.signals import SignalWatch
from netd.runtime.systemd import Notifier, Passed
from netd.supervisor.config_reader import OnRead
from netd.supervisor.control_server import ControlServer, SendReply, make_directory
from netd.supervisor.descriptor_store import DescriptorStore
from netd.supervisor.fleet import Fleet
from netd.supervisor.reload import Reload
from netd.supervisor.socket_table import SocketTable
from netd.supervisor.status import ReloadOutcome, describe, summarize
from netd.supervisor.worker_handle import SpawnWorker, WorkerHandle, spawn_worker

_TICK_S: Final = 1.0
_STALL_S: Final = 3.0  # a tick this late shows that the supervisor itself was stopped
_COLLECT_S: Final = 60.0
_HURRY_S: Final = 0.5  # from the second stop signal until workers are killed
_PLACES_A_WORKER: Final = 2  # in the descriptor store, for a handover: the state and the clients
_GRACE_S: Final = 1.0  # from the drain's deadline until workers are killed

_log = logging.getLogger("netd")


class Supervisor:
    """Runs a configuration until a signal stops it.

    `load` reads and checks the configuration file and calls back with the configuration or the
    error; `control_path` gives the path of the control socket for a configuration.
    """

    def __init__(  # noqa: PLR0913 (its dependencies)
        self,
        loop: Loop,
        kinds: Mapping[str, AnyKind],
        passed: Passed,
        load: Callable[[OnRead], object],
        control_path: Callable[[Config], str],
        *,
        spawn: SpawnWorker = spawn_worker,
    ) -> None:
        self._loop = loop
        self._load = load
        self._control_path = control_path
        self._fleet = Fleet(
            kinds,
            SocketTable(passed.sockets),
            lambda name, kind: WorkerHandle(loop, self, name, kind, spawn),
        )
        self._notifier = Notifier(passed.counts)
        self._store = DescriptorStore(self._notifier, passed.sockets)
        self._control: ControlServer | None = None
        self._is_loading = False
        self._reload: Reload | None = None
        self._queued_requests: list[SendReply] = []  # for the next reload
        self._current_requests: list[SendReply] = []  # for the reload in progress
        self._last_reload: ReloadOutcome | None = None
        self._failure: NetdError | None = None
        self._logged_addresses: set[tuple[str, str]] = set()
        self._stopping = False
        self._started_at = self._ticked_at = loop.now

    def run(self) -> None:
        """Start, serve, and return when drained. Raises NetdError if it cannot start."""
        signals = self._watch_signals()
        process.raise_descriptor_limit()
        gc.collect()
        gc.freeze()  # objects that exist now stay shared with every forked worker
        # An old configuration and ended workers are cycles. The automatic collection of objects
        # that are not young is rare here, since few are made; for so few this takes 0.3 ms.
        self._loop.call_every(_COLLECT_S, gc.collect)
        self.start()
        self._loop.run()
        signals.close()
        self.close()
        if self._failure is not None:
            raise self._failure

    def start(self) -> None:
        """Read the configuration and begin to serve it, on the loop."""
        self._is_loading = True
        self._loop.call_every(_TICK_S, self._tick)
        if self._notifier.watchdog_period_s is not None:
            self._loop.call_every(self._notifier.watchdog_period_s, self._feed_watchdog)
        self._load(self._on_first_loaded)

    def close(self) -> None:
        """Close the control socket, and the socket to the service manager."""
        if self._control is not None:
            self._control.close()
        self._notifier.close()

    # Events of workers (WorkerObserver)

    def on_ready(self, worker: WorkerHandle) -> None:
        """See WorkerObserver."""
        if self._reload is not None:
            self._reload.on_ready(worker)

    def on_failed(self, worker: WorkerHandle, reason: str) -> None:
        """See WorkerObserver."""
        if self._reload is not None:
            self._reload.on_failed(worker, reason)

    def on_crashed(self, worker: WorkerHandle, reason: str) -> None:
        """See WorkerObserver."""
        if self._reload is not None:
            self._reload.on_crashed(worker, reason)

    def on_ended(self, worker: WorkerHandle) -> None:
        """See WorkerObserver."""
        self._fleet.remove(worker)
        self._exit_if_drained()

    def on_retiring(self, worker: WorkerHandle) -> None:
        """Start a successor; during a stop or a reload it is started once the worker has ended."""
        if self._stopping or self._reload is not None:
            return
        try:
            self._fleet.replace(worker)
        except OSError as error:
            text = "%s: no other worker can be started yet: %s"
            extra = {"listener": worker.name}
            _log.warning(text, worker.name, error.strerror, extra=extra)

    def on_status_requested(self, worker: WorkerHandle) -> None:
        """See WorkerObserver."""
        worker.send_status(self.status())

    def on_reload_requested(self, worker: WorkerHandle) -> None:
        """See WorkerObserver."""
        self.request_reload(
            lambda reply: worker.send_reload_result(
                ok=not reply.error, detail=reply.error or str(reply.body["detail"])
            )
        )

    def _watch_signals(self) -> SignalWatch:
        return SignalWatch(
            self._loop,
            {
                signal.SIGTERM: self.stop,
                signal.SIGINT: self.stop,
                signal.SIGHUP: lambda: self.request_reload(lambda _reply: None),
                signal.SIGUSR1: self._log_report,
            },
        )

    # Starting and reloading

    def _on_first_loaded(self, config: Config | NetdError) -> None:
        if not self._is_loading:
            return  # stopped meanwhile
        self._is_loading = False
        try:
            if isinstance(config, NetdError):
                raise config
            self._control = self._open_control(config)
        except NetdError as error:
            self._on_started(error, "")
        else:
            self._begin(config, self._on_started)

    def _begin(self, config: Config, on_done: Callable[[NetdError | None, str], None]) -> None:
        """Put a configuration in force; `on_done` gets the error or None, and the changes."""
        for warning in config.warnings:
            _log.warning("%s", warning)
        reload = Reload(
            self._loop, self._fleet, config, lambda error: on_done(error, reload.changes)
        )
        self._reload = reload
        reload.begin()

    def _on_started(self, error: NetdError | None, _changes: str) -> None:
        self._reload = None
        if error is None:
            self._fleet.table.close_unclaimed()
            self._store_sockets()
            self._log_addresses()
            self._notifier.ready(summarize(self._fleet))
            _log.info("netd %s is ready, pid %d", netd.__version__, os.getpid())
        elif not self._stopping:  # a stop during the start is not a failure
            self._failure = error
            self.stop()
        self._begin_reload()

    def request_reload(self, respond: SendReply) -> None:
        """Read the configuration file again; `respond` gets the outcome."""
        self._queued_requests.append(respond)
        self._loop.defer(self._begin_reload)  # one reload for all requests of a turn

    def _begin_reload(self) -> None:
        if self._is_loading or self._reload is not None or not self._queued_requests:
            return
        self._current_requests, self._queued_requests = self._queued_requests, []
        if self._stopping:
            self._finish_reload(ControlError("netd is stopping"), "")
            return
        self._notifier.reloading()
        self._is_loading = True
        self._load(self._on_loaded)

    def _on_loaded(self, desired: Config | NetdError) -> None:
        if not self._is_loading:
            return  # stopped meanwhile
        self._is_loading = False
        try:
            if isinstance(desired, NetdError):
                raise desired
            control = self._open_moved_control(desired)
        except NetdError as error:
            self._finish_reload(error, "")
        else:
            self._begin(desired, lambda error, changes: self._on_reloaded(error, changes, control))

    def _on_reloaded(
        self, error: NetdError | None, changes: str, control: ControlServer | None
    ) -> None:
        self._reload = None
        unused = control
        if error is None:
            self._store_sockets()
            if control is not None:
                unused, self._control = self._control, control
        if unused is not None:
            unused.close()
        self._finish_reload(error, changes)

    def _finish_reload(self, error: NetdError | None, changes: str) -> None:
        detail = str(error) if error else changes
        self._last_reload = ReloadOutcome(time.time(), error is None, detail)
        if error is None:
            _log.info("reloaded: %s", changes)
            self._log_addresses()
        else:
            _log.error("reload refused, nothing changed:\n%s", detail)
        if not self._stopping:
            self._notifier.ready(self._status_line())
        reply = Reply({"detail": detail}, detail if error else "")
        requests, self._current_requests = self._current_requests, []
        for respond in requests:
            respond(reply)
        self._begin_reload()

    def _store_sockets(self) -> None:
        """Store the listening sockets in systemd, so that a restart keeps their queues."""
        workers = sum(1 for _ in self._fleet.workers)
        self._store.keep(
            self._fleet.table.storable(self._fleet.config.listeners),
            reserve=_PLACES_A_WORKER * workers + 1,  # and the running configuration
        )

    # Stopping

    def stop(self) -> None:
        """Drain, and end the loop; the second call closes open connections at once."""
        if self._stopping:
            _log.info("second stop signal: closing open connections")
            self._fleet.drain(0, stopping=True)
            self._loop.call_later(_HURRY_S, self._kill_all)
            return
        self._stopping = True
        self._notifier.stopping()
        if self._reload is not None:
            self._reload.abort(ControlError("netd is stopping"))
        self._is_loading = False
        if self._current_requests:
            self._finish_reload(ControlError("netd is stopping"), "")
        timeout_s = self._fleet.config.netd.drain_timeout
        if self._failure is None:
            _log.info("stopping: draining for at most %g s", timeout_s)
        self._fleet.drain(timeout_s, stopping=True)
        self._fleet.table.keep_only({})
        self._loop.call_later(timeout_s + _GRACE_S, self._kill_all)
        self._exit_if_drained()

    def _kill_all(self) -> None:
        for worker in tuple(self._fleet.workers):
            text = "%s: worker %s did not drain; killing it"
            _log.warning(text, worker.name, worker.pid, extra={"listener": worker.name})
            worker.kill()

    def _exit_if_drained(self) -> None:
        if self._stopping and not any(self._fleet.workers):
            self._loop.stop()

    # Watching

    def _tick(self) -> None:
        flush_log()
        was_stopped = self._loop.now - self._ticked_at > _STALL_S
        self._ticked_at = self._loop.now
        for worker in tuple(self._fleet.workers):
            if was_stopped:
                worker.heard_at = self._loop.now
            worker.kill_if_silent(self._fleet.config.netd.heartbeat_timeout)
        if not self._stopping and self._reload is None:
            self._notifier.status(self._status_line())

    def _feed_watchdog(self) -> None:
        allowed_s = self._fleet.config.netd.heartbeat_timeout + _STALL_S
        if all(self._loop.now - worker.heard_at < allowed_s for worker in self._fleet.processes):
            self._notifier.alive()

    # Reporting

    def _log_report(self) -> None:
        for entry in describe(self._fleet, self._loop.now):
            pids = ", ".join(f"{w['pid']} {w['state']}" for w in entry["workers"])
            counters = ", ".join(f"{value} {name}" for name, value in entry["counters"].items())
            name, state = entry["name"], entry["state"]
            text = "%s: %s, workers %s; %s"
            _log.info(text, name, state, pids, counters, extra={"listener": name})

    def _status_line(self) -> str:
        line = summarize(self._fleet)
        if self._last_reload is None or self._last_reload.ok:
            return line
        return f"{line}; last reload refused: {self._last_reload.detail}"

    def _log_addresses(self) -> None:
        """Log the addresses that were not logged before."""
        logged, self._logged_addresses = self._logged_addresses, set()
        for listener in self._fleet.listeners.values():
            for name in self._fleet.table.bound_names(listener.name, listener.options):
                self._logged_addresses.add((listener.name, name))
                if (listener.name, name) in logged:
                    continue
                hint = listener.kind.hint(Address.parse(name), listener.options)
                advice = f"; try: {hint}" if hint else ""
                extra = {"listener": listener.name}
                kind = listener.kind.name
                _log.info("%s: %s on %s%s", listener.name, kind, name, advice, extra=extra)

    # Control

    def _open_control(self, config: Config) -> ControlServer:
        path = self._control_path(config)
        if not config.netd.control:
            make_directory(path)
        return ControlServer(self._loop, path, config.netd, self._on_command)

    def _open_moved_control(self, desired: Config) -> ControlServer | None:
        """A second control socket, if the configuration moves it or its file was removed."""
        is_moved = self._control_path(self._fleet.config) != self._control_path(desired)
        if self._control is not None and self._control.has_file and not is_moved:
            return None
        return self._open_control(desired)

    def _on_command(self, command: ControlCommand, respond: SendReply) -> None:
        match command:
            case ControlCommand.STATUS:
                respond(Reply(self.status()))
            case ControlCommand.RELOAD:
                self.request_reload(respond)

    def status(self) -> dict[str, Any]:
        """The daemon's status, as `netd status --json` prints it."""
        outcome = self._last_reload
        return {
            "version": netd.__version__,
            "pid": os.getpid(),
            "uptime_s": round(self._loop.now - self._started_at, 3),
            "state": self._state(),
            "internal_errors": self._loop.errors,
            "last_reload": outcome.as_dict() if outcome else None,
            "listeners": describe(self._fleet, self._loop.now),
        }

    def _state(self) -> str:
        if self._stopping:
            return "stopping"
        return "serving" if self._fleet.is_well else "degraded"
