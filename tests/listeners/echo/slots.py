"""The processes and threads of an echo worker."""

from __future__ import annotations

from pathlib import Path

from tests.support import WorkerUnderTest, wait_until


def slots(worker: WorkerUnderTest) -> list[int]:
    """The processes or threads that the worker started."""
    task = Path(f"/proc/{worker.process.pid}/task")
    children = (task / str(worker.process.pid) / "children").read_text().split()
    threads = [int(thread.name) for thread in task.iterdir()]
    return [int(pid) for pid in children] + [tid for tid in threads if tid != worker.process.pid]


def await_slots(worker: WorkerUnderTest, count: int) -> list[int]:
    """The slots of a worker that has just been configured."""
    wait_until(lambda: len(slots(worker)) == count, "the first slots")
    await_turn(worker)
    return slots(worker)


def await_turn(worker: WorkerUnderTest) -> None:
    """Wait until the present turn of a worker's loop is over."""
    for _ in range(2):  # heartbeats: the first one may be on its way
        worker.await_counters(lambda _: True)
