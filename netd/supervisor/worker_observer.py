"""The events of a worker, as its handle reports them."""

from __future__ import annotations

from typing import Protocol, TypeVar

W_contra = TypeVar("W_contra", contravariant=True)


class WorkerObserver(Protocol[W_contra]):
    """Receives the events of a worker."""

    def on_ready(self, worker: W_contra) -> None:
        """The worker's last configuration is in force."""

    def on_failed(self, worker: W_contra, reason: str) -> None:
        """The worker refused its last configuration."""

    def on_crashed(self, worker: W_contra, reason: str) -> None:
        """The worker's process ended before it replied; its successor gets the configuration."""

    def on_ended(self, worker: W_contra) -> None:
        """The worker has drained, and its process has ended."""

    def on_retiring(self, worker: W_contra) -> None:
        """The worker received SIGTERM itself, and accepts no more connections."""

    def on_status_requested(self, worker: W_contra) -> None:
        """The worker requests the daemon's status."""

    def on_reload_requested(self, worker: W_contra) -> None:
        """The worker requests a reload and its outcome."""
