"""The supervisor: one loop that handles signals, workers' events and control requests.

The supervisor owns the fleet and decides when the fleet changes; `Reload` makes each change safe.
The supervisor serves no client of any listener.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
from collections.abc import Callable, Mapping
from typing import Any, Final

import netd
from netd.config.model import Config
from netd.errors import ControlError, DescriptorLimitError, NetdError, ReloadError
from netd.listeners.kind import AnyKind
from netd.protocols.control import ControlCommand, Reply
from netd.runtime import process
from netd.runtime.loop import Loop
from netd.runtime.signals import SignalWatch
from netd.runtime.systemd import Notifier, Passed
from netd.supervisor.config_reader import OnRead
from netd.supervisor.control_server import SendReply
from netd.supervisor.control_socket import ControlSocket
from netd.supervisor.descriptor_store import DescriptorStore
from netd.supervisor.fleet import Fleet
from netd.supervisor.handoff_table import HandoffTable
from netd.supervisor.reload import Reload
from netd.supervisor.reload_requests import ReloadRequests
from netd.supervisor.reporting import AddressLog, log_report
from netd.supervisor.restart import CONFIGURATION, save_configuration, take_inheritance
from netd.supervisor.restarter import Restarter
from netd.supervisor.shutdown import Shutdown
from netd.supervisor.socket_table import SocketTable
from netd.supervisor.status import DaemonStatus
from netd.supervisor.watch import Watch
from netd.supervisor.worker_handle import WorkerHandle
from netd.supervisor.worker_process import SpawnWorker, spawn_worker

_COLLECT_S: Final = 60.0
_PLACES_A_WORKER: Final = 2  # in the descriptor store, for a handover: the state and the clients

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
        handoffs = HandoffTable(passed.queues)
        self._fleet = Fleet(
            kinds,
            SocketTable(passed.sockets),
            lambda name, kind: WorkerHandle(loop, self, name, kind, spawn),
            handoffs,
        )
        self._notifier = Notifier(passed.counts)
        self._store = DescriptorStore(self._notifier, passed.sockets, handoffs.labelled())
        self._inheritance = take_inheritance(passed, kinds)
        self._control = ControlSocket(loop, control_path, self._on_command)
        self._is_loading = False
        self._reload: Reload | None = None
        self._requests = ReloadRequests()
        self._restarter = Restarter(
            *(loop, self._fleet, self._notifier, self._inheritance),
            on_due=self._begin_next,
            on_kept=self._on_kept,
        )
        self._failure: NetdError | None = None
        self._addresses = AddressLog(self._fleet)
        self._is_ready = self._is_leaving = False
        self._shutdown = Shutdown(loop, self._fleet)
        self._status = DaemonStatus(loop, self._fleet, self._requests)

    def run(self) -> int:
        """Start, serve, and return when drained. Raises NetdError if it cannot start.

        Returns the exit status: EX_TEMPFAIL if the next process has the clients.
        """
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
        return os.EX_TEMPFAIL if self._is_leaving else os.EX_OK

    def start(self) -> None:
        """Begin to serve, on the loop: the previous process's configuration, or that of the file.

        After a restart the clients are served before the file is read.
        """
        Watch(self._loop, self._fleet, self._notifier, self._on_tick).start()
        if self._inheritance.config is None:
            self._load_first()
        else:
            self._fleet.earlier = process.reap_all(self._loop, self._inheritance.children)
            self._serve_first(self._inheritance.config, self._on_taken_over)

    def close(self) -> None:
        """Close the control socket, and the socket to the service manager."""
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
        self._shutdown.end_if_drained()

    def on_retiring(self, worker: WorkerHandle) -> None:
        """Start a successor; during a stop or a reload it is started once the worker has ended."""
        if self._shutdown.is_begun or self._reload is not None:
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
                signal.SIGUSR1: lambda: log_report(self._fleet, self._loop.now),
                signal.SIGUSR2: self.restart,
            },
        )

    # Starting and reloading

    def _load_first(self) -> None:
        self._is_loading = True
        self._load(self._on_first_loaded)

    def _on_first_loaded(self, config: Config | NetdError) -> None:
        if not self._is_loading:
            return  # stopped meanwhile
        self._is_loading = False
        if isinstance(config, NetdError):
            self._on_started(config, "")
        else:
            self._serve_first(config, self._on_started)

    def _serve_first(
        self, config: Config, on_done: Callable[[NetdError | None, str], None]
    ) -> None:
        try:
            self._control.open(config)
        except NetdError as error:
            on_done(error, "")
        else:
            self._fleet.inherited = self._inheritance.bundles
            self._begin(config, on_done)

    def _on_taken_over(self, error: NetdError | None, _changes: str) -> None:
        """The previous process's configuration is in force: read the file, which may differ."""
        self._reload = None
        if error is None:
            self._fleet.table.report_missing()
            self._inheritance.close()
            self.request_reload(lambda _reply: None)
        elif not self._shutdown.is_begun:
            _log.error("cannot continue with the previous configuration: %s", error)
            self._load_first()

    def _begin(self, config: Config, on_done: Callable[[NetdError | None, str], None]) -> None:
        """Put a configuration in force; `on_done` gets the error or None, and the changes."""
        for warning in config.warnings:
            _log.warning("%s", warning)
        self._reload = Reload(self._loop, self._fleet, config, on_done)
        self._reload.begin()

    def _on_started(self, error: NetdError | None, _changes: str) -> None:
        self._reload = None
        if error is None:
            self._become_ready()
        elif self._shutdown.is_begun:  # a stop during the start is not a failure
            pass
        elif isinstance(error, DescriptorLimitError) and self._inheritance.bundles:
            text = "clients are lost, which need more descriptors than this process may open: %s"
            _log.error(text, error)
            self._inheritance.close()
            self._load_first()
        else:
            # The store has clients for the next attempt: EX_CONFIG would end them.
            self._failure = ReloadError(str(error)) if self._inheritance.labels else error
            self.stop()
        self._begin_next()

    def _become_ready(self) -> None:
        self._is_ready = True
        self._inheritance.close()
        self._fleet.table.close_unclaimed()
        self._keep_in_store()
        self._addresses.update()
        self._notifier.ready(self._status.line)
        self._store.drop(set(self._inheritance.labels) - {CONFIGURATION})
        self._inheritance.labels = ()
        _log.info("netd %s is ready, pid %d", netd.__version__, os.getpid())

    def request_reload(self, respond: SendReply) -> None:
        """Read the configuration file again; `respond` gets the outcome."""
        self._requests.add(respond)
        self._loop.defer(self._begin_next)  # one reload for all requests of a turn

    def _begin_next(self) -> None:
        """Begin the restart or the reload that was requested, if none is in progress."""
        if self._is_loading or self._reload is not None or self._restarter.is_in_progress:
            return
        if self._restarter.is_waiting:
            self._restarter.begin()
        elif self._requests.are_waiting:
            self._begin_reload()

    def _begin_reload(self) -> None:
        self._requests.begin()
        if self._shutdown.is_begun:
            self._finish_reload(ControlError("netd is stopping"), "")
            return
        if self._is_ready:
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
            self._control.prepare_move(desired)
        except NetdError as error:
            self._finish_reload(error, "")
        else:
            self._begin(desired, self._on_reloaded)

    def _on_reloaded(self, error: NetdError | None, changes: str) -> None:
        self._reload = None
        if error is None:
            self._keep_in_store()
            self._control.move()
        else:
            self._control.abandon_move()
        self._finish_reload(error, changes)

    def _finish_reload(self, error: NetdError | None, changes: str) -> None:
        self._requests.finish(error, changes)
        if error is None:
            self._addresses.update()
        if not self._is_ready and not self._shutdown.is_begun:
            self._become_ready()
        elif not self._shutdown.is_begun:
            self._notifier.ready(self._status.line)
        self._requests.respond()
        self._begin_next()

    def _keep_in_store(self) -> None:
        """Store the listening sockets and the configuration, for a process that is killed."""
        workers = sum(1 for _ in self._fleet.workers)
        self._store.keep(
            self._fleet.storable(),
            reserve=_PLACES_A_WORKER * workers + 1,  # and the configuration
        )
        if self._notifier.is_managed:
            self._store.keep_memory(CONFIGURATION, save_configuration(self._fleet))

    # Restarting

    def restart(self) -> None:
        """Pass all clients to the next process, and exit; without a service manager, `upgrade`."""
        if not self._notifier.is_managed:
            self.upgrade(lambda _reply: None)
        elif self._fleet.listeners:
            self._restarter.request_restart(self._on_stored)
        elif not self._shutdown.is_begun:  # the store still has what the previous process left
            self._leave()

    def upgrade(self, respond: SendReply) -> None:
        """Replace the program of this process by the installed one; `respond` gets a failure."""
        self._restarter.request_upgrade(lambda error: respond(Reply({}, str(error))))

    def _on_kept(self) -> None:
        if not self._shutdown.is_begun:
            self._keep_in_store()
        self._begin_next()

    def _on_stored(self, error: NetdError | None) -> None:
        if error is None:
            self._leave()
        elif not self._shutdown.is_begun:  # the service manager waits for the end of this process
            self._is_leaving = True
            self._fleet.table.leave_files()  # new connections wait for the next process
            self.stop()

    def _leave(self) -> None:
        """End this process; the next one has the clients."""
        self._is_leaving = True
        self._restarter.stop()
        self._shutdown.leave()

    # Stopping

    def stop(self) -> None:
        """Drain, and end the loop; the second call closes open connections at once."""
        if self._shutdown.is_begun:
            self._shutdown.hurry()
            return
        self._shutdown.begin()
        self._notifier.stopping()
        if self._reload is not None:
            self._reload.abort(ControlError("netd is stopping"))
        self._restarter.stop()
        self._is_loading = False
        if self._requests.are_in_progress:
            self._finish_reload(ControlError("netd is stopping"), "")
        if self._failure is None:
            timeout_s = self._fleet.config.netd.drain_timeout
            _log.info("stopping: draining for at most %g s", timeout_s)
        self._shutdown.drain()

    # Reporting

    def _on_tick(self) -> None:
        if not self._shutdown.is_begun and self._reload is None:
            self._notifier.status(self._status.line)

    # Control

    def _on_command(self, command: ControlCommand, respond: SendReply) -> None:
        match command:
            case ControlCommand.STATUS:
                respond(Reply(self.status()))
            case ControlCommand.RELOAD:
                self.request_reload(respond)
            case ControlCommand.UPGRADE:
                self.upgrade(respond)

    def status(self) -> dict[str, Any]:
        """The daemon's status, as `netd status --json` prints it."""
        return self._status.describe(is_stopping=self._shutdown.is_begun)
