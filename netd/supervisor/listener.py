"""A listener as it runs: its options, its workers, and those that are on their way out."""

from __future__ import annotations

from dataclasses import dataclass, field

from netd.config.model import ListenerOptions
from netd.listeners.counters import Counters
from netd.listeners.kind import AnyKind
from netd.supervisor.worker_handle import WorkerHandle


@dataclass(slots=True)
class Listener:
    """One `[listeners.NAME]` table, put to work."""

    name: str
    kind: AnyKind
    options: ListenerOptions
    workers: list[WorkerHandle] = field(default_factory=list)
    draining: list[WorkerHandle] = field(default_factory=list)
    past: Counters = field(default_factory=Counters)  # of workers that have ended

    @property
    def is_well(self) -> bool:
        """True while every worker serves as it should."""
        return all(worker.is_well for worker in self.workers)

    @property
    def counters(self) -> Counters:
        """The totals of all workers it ever had, and the gauges of the present ones."""
        return sum((w.counters for w in (*self.workers, *self.draining)), self.past)

    def retire(
        self, workers: list[WorkerHandle], within_s: float | None, *, stopping: bool
    ) -> None:
        """Let workers finish and go."""
        self.workers = [worker for worker in self.workers if worker not in workers]
        self.draining += [worker for worker in workers if worker not in self.draining]
        for worker in workers:
            worker.drain(within_s, stopping=stopping)

    def let_finish(self, worker: WorkerHandle) -> None:
        """A worker goes by itself."""
        self.workers.remove(worker)
        self.draining.append(worker)
        worker.let_finish()

    def forget(self, worker: WorkerHandle) -> None:
        """A worker is gone; what it did still counts."""
        if worker in self.draining:
            self.draining.remove(worker)
            self.past += worker.counters.after_exit()

    @property
    def is_over(self) -> bool:
        """True once no process is left."""
        return not self.workers and not self.draining
