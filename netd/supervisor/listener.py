"""A listener as it runs: its options, its workers, and those that are on their way out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from netd.config.model import ListenerOptions
from netd.listeners.base import Kind
from netd.supervisor.worker_handle import WorkerHandle, total


@dataclass(slots=True)
class Listener:
    """One `[listeners.NAME]` table, put to work."""

    name: str
    kind: Kind
    options: ListenerOptions
    workers: list[WorkerHandle] = field(default_factory=list)
    draining: list[WorkerHandle] = field(default_factory=list)
    past: Counter[str] = field(default_factory=Counter)  # of workers that are gone

    @property
    def is_well(self) -> bool:
        """True while every worker serves as it should."""
        return all(worker.is_well for worker in self.workers)

    @property
    def counters(self) -> Counter[str]:
        """Totals of every worker it ever had; connections are those of now."""
        return total(self.past, *(w.counters for w in (*self.workers, *self.draining)))

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
            self.past = total(self.past, worker.counters)

    @property
    def is_over(self) -> bool:
        """True once no process is left."""
        return not self.workers and not self.draining
