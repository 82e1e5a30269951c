"""Everything that runs: the configuration in force, its listeners, sockets and workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from netd.config.model import Config, DaemonOptions, ListenerOptions
from netd.listeners.kind import AnyKind
from netd.supervisor.listener import Listener
from netd.supervisor.socket_table import SocketTable
from netd.supervisor.worker_handle import WorkerHandle


class Fleet:
    """The running daemon as data; `Apply` changes it, the supervisor watches over it."""

    def __init__(
        self,
        kinds: Mapping[str, AnyKind],
        table: SocketTable,
        new_worker: Callable[[str, AnyKind], WorkerHandle],
    ) -> None:
        self.config = Config(netd=DaemonOptions(), listeners={})
        self.table = table
        self.listeners: dict[str, Listener] = {}
        self.leaving: list[Listener] = []  # removed or replaced, with workers still draining
        self._kinds = kinds
        self._new_worker = new_worker

    @property
    def workers(self) -> Iterator[WorkerHandle]:
        """Every worker there is, also those that drain."""
        for listener in (*self.listeners.values(), *self.leaving):
            yield from (*listener.workers, *listener.draining)

    @property
    def processes(self) -> Iterator[WorkerHandle]:
        """Every worker whose process lives."""
        return (worker for worker in self.workers if worker.pid is not None)

    @property
    def is_well(self) -> bool:
        """True while every listener serves as it should."""
        return all(listener.is_well for listener in self.listeners.values())

    def new_listener(self, name: str, options: ListenerOptions) -> Listener:
        """A listener with no workers yet."""
        return Listener(name, self._kinds[options.kind], options)

    def start_workers(self, listener: Listener, options: ListenerOptions, count: int) -> None:
        """Start more workers for a listener. OSError where the system has no room for one."""
        for _ in range(count):
            worker = self._new_worker(listener.name, listener.kind)
            worker.start(options, self.table.of(listener.name, options))
            listener.workers.append(worker)

    def replace(self, worker: WorkerHandle) -> None:
        """Start another in the place of one that finishes. OSError where there is no room."""
        for listener in self.listeners.values():
            if worker in listener.workers:
                self.start_workers(listener, listener.options, 1)
                listener.let_finish(worker)

    def let_go(self, listener: Listener, within_s: float | None, *, stopping: bool) -> None:
        """Drain a whole listener that is no longer in force."""
        if listener not in self.leaving:
            self.leaving.append(listener)
        listener.retire([*listener.workers, *listener.draining], within_s, stopping=stopping)
        self.sweep()

    def forget(self, worker: WorkerHandle) -> None:
        """A drained worker is gone."""
        for listener in (*self.listeners.values(), *self.leaving):
            listener.forget(worker)
        self.sweep()

    def sweep(self) -> None:
        """Drop the listeners that are gone with their last worker."""
        self.leaving = [listener for listener in self.leaving if not listener.is_over]

    def drain(self, within_s: float, *, stopping: bool) -> None:
        """Let every worker finish and go."""
        for listener in (*self.listeners.values(), *self.leaving):
            self.let_go(listener, within_s, stopping=stopping)
        self.listeners = {}
