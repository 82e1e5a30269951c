"""The state that a worker's next process continues with: bundles of clients, or a snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from netd.errors import StateError
from netd.listeners.bundle import Bundle, copy_all, of_descriptors

_MAX_ATTEMPTS: Final = 2
"""How many processes may end with the same state: perhaps it is the cause."""


class Succession:
    """Owns the bundles and the snapshot.

    The bundles are for the worker's first process, until it serves their clients at Go. From then
    on, a process that ends unexpectedly leaves its latest snapshot to its successor.
    """

    def __init__(self) -> None:
        self._needs_state = False
        self._bundles: Sequence[Bundle] = ()
        self._snapshot: Bundle | None = None
        self._may_go = False
        self._attempts = 0

    def inherit(self, bundles: Sequence[Bundle], *, needs_state: bool) -> None:
        """Take copies of bundles. Raises OSError."""
        self._bundles = copy_all(bundles)
        self._needs_state = needs_state

    @property
    def needs_state(self) -> bool:
        """Whether a state that cannot be loaded is a failure."""
        return self._needs_state and bool(self._bundles)

    @property
    def bundles(self) -> Sequence[Bundle]:
        """The bundles, or else the snapshot, that a new process loads."""
        if self._bundles or self._snapshot is None:
            return self._bundles
        return (self._snapshot,)

    @property
    def is_go_due(self) -> bool:
        """Whether a process that has loaded its state may serve: no other process serves it."""
        return bool(self.bundles) and (self._may_go or not self._bundles)

    def allow_go(self) -> None:
        """From now on a process may serve the clients of the bundles."""
        self._may_go = True

    def on_go(self) -> None:
        """A process serves the clients: close their bundles."""
        self._drop_bundles()

    def on_snapshot(self, descriptors: Sequence[int]) -> None:
        """Keep the latest snapshot of the present process, in place of the one before."""
        try:
            snapshot = of_descriptors(descriptors)
        except StateError:  # no descriptor was left to receive it: the earlier one stays
            return
        self._drop_snapshot()
        self._snapshot = snapshot
        self._attempts = 0

    def on_crash(self) -> None:
        """A process has ended unexpectedly, perhaps because of the state that it had loaded."""
        self._attempts += 1
        if self._attempts >= _MAX_ATTEMPTS and not self.needs_state:
            self.drop()

    def drop(self) -> None:
        """Close everything: the worker needs no further process."""
        self._drop_bundles()
        self._drop_snapshot()

    def _drop_bundles(self) -> None:
        dropped, self._bundles = self._bundles, ()
        for bundle in dropped:
            bundle.close()

    def _drop_snapshot(self) -> None:
        if self._snapshot is not None:
            self._snapshot.close()
            self._snapshot = None
