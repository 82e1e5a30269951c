"""The state of the running daemon: the configuration in force, its listeners and their workers."""

from __future__ import annotations

import gc
import socket
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from netd.config.model import Config, DaemonOptions, ListenerOptions
from netd.listeners.bundle import Bundle
from netd.listeners.counters import Counters
from netd.listeners.kind import AnyKind
from netd.protocols.link import OwnAddresses
from netd.supervisor.handoff_table import HandoffTable
from netd.supervisor.socket_table import SocketTable
from netd.supervisor.worker_configuration import Queues
from netd.supervisor.worker_handle import WorkerHandle


@dataclass(slots=True)
class Listener:
    """A running `[listeners.NAME]` table: its options and its workers."""

    name: str
    kind: AnyKind
    options: ListenerOptions
    workers: list[WorkerHandle] = field(default_factory=list)
    draining: list[WorkerHandle] = field(default_factory=list)
    past: Counters = field(default_factory=Counters)  # of workers that have ended
    past_restarts: int = 0

    @property
    def is_well(self) -> bool:
        """True while no worker is degraded."""
        return all(worker.is_well for worker in self.workers)

    @property
    def all_workers(self) -> tuple[WorkerHandle, ...]:
        """The workers that serve and those that drain."""
        return (*self.workers, *self.draining)

    @property
    def has_ended(self) -> bool:
        """True once no worker is left."""
        return not self.all_workers

    @property
    def counters(self) -> Counters:
        """The totals of all its workers, past and present, and the gauges of the present ones."""
        return sum((worker.counters for worker in self.all_workers), self.past)

    @property
    def restarts(self) -> int:
        """The number of times that a worker was started again after it had ended."""
        return self.past_restarts + sum(worker.restarts for worker in self.all_workers)

    def drain(self, workers: list[WorkerHandle], within_s: float | None, *, stopping: bool) -> None:
        """Drain some of its workers."""
        self.workers = [worker for worker in self.workers if worker not in workers]
        self.draining += [worker for worker in workers if worker not in self.draining]
        for worker in workers:
            worker.drain(within_s, stopping=stopping)

    def take_over(self, old: Listener, dismissed: Collection[WorkerHandle]) -> None:
        """Continue the totals of the listener that this one replaced; its workers drain here.

        The dismissed ones have handed over their clients, and exit.
        """
        self.past += old.past
        self.past_restarts += old.past_restarts
        self.draining += old.all_workers
        for worker in old.all_workers:
            if worker not in dismissed:
                worker.drain(None, stopping=False)

    def leave(self) -> None:
        """End all workers: the next process has the clients of those that have handed over."""
        self.workers, self.draining = [], list(self.all_workers)
        for worker in tuple(self.draining):
            worker.dismiss(0)

    def let_finish(self, worker: WorkerHandle) -> None:
        """Move a worker that drains by itself to the draining ones."""
        self.workers.remove(worker)
        self.draining.append(worker)
        worker.let_finish()

    def remove(self, worker: WorkerHandle) -> None:
        """Drop a worker that has ended, if it is one of this listener; its totals are kept."""
        if worker in self.draining:
            self.draining.remove(worker)
            self.past += worker.counters.after_exit()
            self.past_restarts += worker.restarts


class Fleet:
    """All listeners and their workers; `Reload` changes the fleet, the supervisor watches it."""

    def __init__(
        self,
        kinds: Mapping[str, AnyKind],
        table: SocketTable,
        new_worker: Callable[[str, AnyKind], WorkerHandle],
        handoffs: HandoffTable | None = None,
    ) -> None:
        self.config = Config(netd=DaemonOptions(), listeners={})
        self.table = table
        self.handoffs = handoffs or HandoffTable({})
        self._handoff_targets: set[str] = set()
        self.listeners: dict[str, Listener] = {}
        self.inherited: Mapping[str, Sequence[Bundle]] = {}
        """The clients that the previous process of the daemon left, by listener."""
        self.earlier: Collection[int] = ()
        """The processes of the previous program of this process: they serve their last clients."""
        self.leaving: list[Listener] = []  # removed or replaced, with workers that still drain
        self._own_addresses = OwnAddresses(())
        self._kinds = kinds
        self._new_worker = new_worker

    @property
    def all_listeners(self) -> tuple[Listener, ...]:
        """The listeners in force, and the removed ones that still drain."""
        return (*self.listeners.values(), *self.leaving)

    @property
    def workers(self) -> Iterator[WorkerHandle]:
        """Every worker, draining ones included."""
        for listener in self.all_listeners:
            yield from listener.all_workers

    @property
    def processes(self) -> Iterator[WorkerHandle]:
        """Every worker that has a live process."""
        return (worker for worker in self.workers if worker.pid is not None)

    @property
    def is_well(self) -> bool:
        """True while no listener is degraded."""
        return all(listener.is_well for listener in self.listeners.values())

    def load_services(self, desired: Config) -> None:
        """Load the services that a configuration needs, and make what their workers share."""
        before = len(sys.modules)
        for options in desired.listeners.values():
            kind = self._kinds[options.kind]
            kind.load_service()
            kind.share(options)
        if len(sys.modules) > before:
            gc.collect()
            gc.freeze()

    def new_listener(self, name: str, options: ListenerOptions) -> Listener:
        """A listener without workers, which is not yet in force."""
        return Listener(name, self._kinds[options.kind], options)

    def open_sockets(self, desired: Config) -> None:
        """Open the sockets and queues of a configuration. Raises BindError or ReloadError."""
        self.table.open(desired.listeners)
        self.handoffs.open(self._takers(desired))
        self._handoff_targets = {
            target
            for options in desired.listeners.values()
            for target in options.handoffs().values()
        }

    def close_unused_sockets(self) -> None:
        """Close the sockets and queues that the configuration in force does not have."""
        self.table.keep_only(self.config.listeners)
        self.handoffs.keep_only(self._takers(self.config))

    def close_sockets(self) -> None:
        """Close all sockets and queues; the files of Unix sockets are removed."""
        self.table.keep_only({})
        self.handoffs.keep_only(())

    def storable(self) -> dict[str, list[socket.socket]]:
        """The sockets and queues that the next process needs, by their labels in the store."""
        return self.table.storable(self.config.listeners) | self.handoffs.labelled()

    def configure(self, worker: WorkerHandle, options: ListenerOptions) -> None:
        """Send a worker these options, with the sockets and queues that belong to them."""
        sockets = self.table.of(worker.name, options)
        worker.configure(options, sockets, self._queues_of(worker.name, options))

    def start_workers(
        self,
        listener: Listener,
        options: ListenerOptions,
        numbers: Sequence[int],
        bundles: Sequence[Bundle] = (),
        *,
        needs_state: bool = False,
    ) -> None:
        """Start workers with these numbers for a listener.

        Raises OSError if the system has no room for one. A worker continues the bundle of its own
        number; those of numbers that there are no more are distributed. See `WorkerHandle.start`.
        """
        for number in numbers:
            worker = self._new_worker(listener.name, listener.kind)
            worker.number = number
            worker.announce(self._own_addresses)
            share = [bundle for bundle in bundles if bundle.worker % options.workers == number]
            worker.start(
                options,
                self.table.of(listener.name, options),
                sorted(share, key=attrgetter("worker")),
                needs_state=needs_state,
                queues=self._queues_of(listener.name, options),
            )
            listener.workers.append(worker)

    def announce_addresses(self) -> None:
        """Send the addresses of the daemon to all workers if they have changed."""
        own = OwnAddresses(self.table.datagram_names())
        if own != self._own_addresses:
            self._own_addresses = own
            for worker in self.workers:
                worker.announce(own)

    def replace(self, worker: WorkerHandle) -> None:
        """Start a successor of a worker that drains by itself. Raises OSError as above."""
        for listener in self.listeners.values():
            if worker in listener.workers:
                self.start_workers(listener, listener.options, (worker.number,))
                listener.let_finish(worker)

    def release(self, listener: Listener, within_s: float | None, *, stopping: bool) -> None:
        """Drain all workers of a listener that is no longer in force."""
        if listener not in self.leaving:
            self.leaving.append(listener)
        listener.drain(list(listener.all_workers), within_s, stopping=stopping)
        self._drop_ended_listeners()

    def remove(self, worker: WorkerHandle) -> None:
        """Drop a worker that has drained and ended."""
        for listener in self.all_listeners:
            listener.remove(worker)
        self._drop_ended_listeners()

    def drain(self, within_s: float, *, stopping: bool) -> None:
        """Drain every worker of every listener."""
        for listener in self.all_listeners:
            self.release(listener, within_s, stopping=stopping)
        self.listeners = {}

    def leave(self) -> None:
        """End all workers at once: the next process has their clients."""
        for listener in self.all_listeners:
            listener.leave()
        self.leaving, self.listeners = list(self.all_listeners), {}
        self._drop_ended_listeners()

    def _takers(self, config: Config) -> list[str]:
        """The listeners that take connections of other ones."""
        listeners = config.listeners.items()
        return [name for name, options in listeners if self._kinds[options.kind].takes_handoffs]

    def _queues_of(self, name: str, options: ListenerOptions) -> Queues:
        """The ends of queues for the workers of a listener (`Daemon.handoff_queues`)."""
        if self._kinds[options.kind].takes_handoffs:
            return Queues({name: self.handoffs[name].exit}, name in self._handoff_targets)
        targets = options.handoffs().values()
        return Queues({target: self.handoffs[target].entry for target in targets})

    def _drop_ended_listeners(self) -> None:
        self.leaving = [listener for listener in self.leaving if not listener.has_ended]
