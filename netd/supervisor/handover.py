"""A handover: workers pack their clients into bundles, and freeze until other workers serve them.

`commit` ends these workers, `cancel` has them serve their clients again; both close the bundles.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from netd.errors import ReloadError
from netd.listeners.bundle import Bundle
from netd.runtime.errnos import describe
from netd.runtime.loop import Loop
from netd.supervisor.worker_handle import WorkerHandle

PREPARE_S: Final = 2.0
"""How long a worker may take to finish what it cannot hand over."""
_REPLY_S: Final = 3.0  # beyond that, for the bundle

_log = logging.getLogger("netd")


class Handover:
    """Calls `on_done` with None once all workers are frozen, or with an error if one cannot be.

    A worker that ends meanwhile has no bundle; its clients are lost, as by any crash, and what it
    leaves behind, its snapshot, takes the place of the bundle. Without `needs_all`, the same holds
    for a worker that cannot hand over, or not in time.
    """

    def __init__(
        self,
        loop: Loop,
        workers: Sequence[WorkerHandle],
        on_done: Callable[[ReloadError | None], object],
        *,
        needs_all: bool = True,
    ) -> None:
        self._needs_all = needs_all
        self.workers = tuple(workers)
        self._on_done = on_done
        self._bundles: list[tuple[WorkerHandle, Bundle]] = []
        self._awaited = set(workers)
        self._is_over = False
        self._deadline = loop.call_later(PREPARE_S + _REPLY_S, self._on_deadline)

    def begin(self) -> None:
        """Request the bundles."""
        for worker in self.workers:
            worker.hand_over(PREPARE_S, self._on_bundle)
        if not self.workers:
            self._finish(None)

    def bundles_of(self, name: str) -> list[Bundle]:
        """The bundles of a listener's workers."""
        return [bundle for worker, bundle in self._bundles if worker.name == name]

    def commit(self) -> None:
        """End the workers: others serve their clients."""
        self.close()
        for worker in self.workers:
            worker.dismiss()

    def cancel(self) -> None:
        """Have the workers serve their clients again."""
        self._is_over = True
        self._deadline.cancel()
        self.close()
        for worker in self.workers:
            worker.resume()

    def close(self) -> None:
        """Close the bundles."""
        for _, bundle in self._bundles:
            bundle.close()
        self._bundles.clear()

    def _on_bundle(self, worker: WorkerHandle, outcome: Bundle | str) -> None:
        if self._is_over:
            if isinstance(outcome, Bundle):
                outcome.close()
            return
        if isinstance(outcome, Bundle):
            self._add(worker, outcome)
        else:
            self._take_snapshot(worker)
            if outcome:
                text = f"listeners.{worker.name}: the clients cannot be handed over: {outcome}"
                self._fail(text)
        self._awaited.discard(worker)
        if not self._awaited:
            self._finish(None)

    def _add(self, worker: WorkerHandle, bundle: Bundle) -> None:
        self._bundles.append((worker, replace(bundle, worker=worker.number)))

    def _on_deadline(self) -> None:
        late = "; ".join(sorted(worker.delay for worker in self._awaited))
        for worker in self._awaited:
            self._take_snapshot(worker)
        self._fail(f"no handover within {PREPARE_S + _REPLY_S:g} s by {late}")
        self._finish(None)

    def _take_snapshot(self, worker: WorkerHandle) -> None:
        """Let what the worker leaves behind take the place of its bundle."""
        try:
            for bundle in worker.left_behind():
                self._add(worker, bundle)
        except OSError as error:
            _log.error("%s: the snapshot is lost: %s", worker.name, describe(error))

    def _fail(self, text: str) -> None:
        """A worker cannot hand over: this ends the handover, or costs the clients of the worker."""
        if self._needs_all:
            self._finish(ReloadError(text))
        elif not self._is_over:
            _log.error("clients are lost: %s", text)

    def _finish(self, error: ReloadError | None) -> None:
        if not self._is_over:
            self._is_over = True
            self._deadline.cancel()
            self._on_done(error)
