"""The request to a worker to pack its clients, from the message to the outcome."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netd.errors import StateError
from netd.listeners.bundle import Bundle, of_descriptors

OnPacked = Callable[[Bundle | str], object]
"""Gets the bundle, or the reason why there is none; empty if the process has ended."""


class PendingHandover:
    """Calls `on_packed` once, unless the handover is abandoned before."""

    def __init__(self) -> None:
        self._on_packed: OnPacked | None = None

    @property
    def is_pending(self) -> bool:
        """Whether the outcome is awaited."""
        return self._on_packed is not None

    def begin(self, on_packed: OnPacked) -> None:
        """The worker is requested to pack its clients."""
        self._on_packed = on_packed

    def abandon(self) -> None:
        """Ignore the outcome; a bundle that arrives later is closed."""
        self._on_packed = None

    def on_bundle(self, descriptors: Sequence[int]) -> None:
        """The worker has sent the descriptors of its bundle."""
        try:
            bundle = of_descriptors(descriptors)
        except StateError as error:
            self.end(str(error))
            return
        if self._on_packed is None:
            bundle.close()
        self.end(bundle)

    def end(self, outcome: Bundle | str) -> None:
        """Pass on the outcome."""
        on_packed, self._on_packed = self._on_packed, None
        if on_packed is not None:
            on_packed(outcome)
