"""The worker's side of a handover: makes bundles and snapshots, and takes over from other workers.

While `is_holding` is true the worker's loop does not turn, so no byte of a client moves: the worker
has handed over its clients, or has loaded those of another one, and the supervisor has not decided
yet which process continues.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

from netd.errors import NetdError, StateError
from netd.listeners.bundle import (
    Bundle,
    of_descriptors,
    pack,
    pack_snapshot,
    read_state,
    take_descriptors,
)
from netd.listeners.kind import AnyKind, Attach, HandoverService, Service, SnapshotService
from netd.protocols.link import (
    Go,
    HandedOver,
    HandOver,
    LinkMessage,
    NotHandedOver,
    Resume,
    Snapshot,
)
from netd.runtime.errnos import describe

_log = logging.getLogger("netd")


class SendMessage(Protocol):
    """Sends a message to the supervisor, with descriptors."""

    def __call__(self, message: LinkMessage, descriptors: Sequence[int] = (), /) -> None: ...


class HandoverPort:
    """Hands over the clients of one service, and takes over clients for it."""

    def __init__(self, kind: AnyKind, send: SendMessage) -> None:
        self.is_holding = False
        self._kind = kind
        self._send = send
        self._service: HandoverService[Any] | None = None
        self._is_prepared = False
        self._requests = 0  # of the supervisor: the service may call back after a Resume
        self._outgoing: Bundle | None = None
        self._incoming: list[tuple[Bundle, Callable[[], object]]] = []

    def start(
        self, service: Service[Any], bundles: Sequence[Sequence[int]], *, needs_state: bool
    ) -> None:
        """Load the bundles (each one as its descriptors) into a new service.

        With bundles, the service serves from Go on. Raises StateError if a bundle cannot be loaded
        and `needs_state` is true; else the clients in it are lost.
        """
        if self._kind.hands_over:
            self._service = cast("HandoverService[Any]", service)
        for descriptors in bundles:
            self.is_holding = True
            try:
                bundle = of_descriptors(descriptors)
                self._incoming.append((bundle, self._load(bundle)))
            except StateError as error:
                if needs_state:
                    raise
                _log.error("clients are lost: their state cannot be used: %s", error)

    def send_snapshot(self) -> None:
        """Have the service make a snapshot, and send it when it is there."""
        if self._kind.keeps_snapshots and self._service is not None and not self.is_holding:
            cast("SnapshotService[Any]", self._service).snapshot(self._on_snapshot)

    def _on_snapshot(self, state: Sequence[bytes]) -> None:
        try:
            bundle = pack_snapshot(self._kind.name, state)
        except OSError as error:
            _log.warning("no snapshot: %s", describe(error))
            return
        with contextlib.closing(bundle):
            self._send(Snapshot(), bundle.descriptors)

    @property
    def has_handed_over(self) -> bool:
        """Whether the supervisor has the clients of this worker."""
        return self._outgoing is not None

    def leave(self, within_s: float | None) -> None:
        """Let the service end: another process has its clients; see `HandoverService.leave`."""
        assert self._service is not None
        self.is_holding = False
        self._close_outgoing()
        self._service.leave(within_s)

    def handle(self, message: Go | HandOver | Resume) -> None:
        """Do what the supervisor requests."""
        match message:
            case Go():
                self._go()
            case HandOver(within_s):
                self._prepare(within_s)
            case Resume():
                self._resume()

    def end_turn(self) -> None:
        """Hand over, if the service is prepared; to be called when a turn of the loop is over."""
        if not self._is_prepared or self._service is None:
            return
        self._is_prepared = False
        try:
            self._outgoing = pack(self._kind.name, self._service.save())
        except Exception as error:  # noqa: BLE001 (reported; the clients stay here)
            self._refuse(error)
            return
        self.is_holding = True
        descriptors = self._outgoing.descriptors
        self._send(HandedOver(len(descriptors)), descriptors)

    def _load(self, bundle: Bundle) -> Callable[[], object]:
        saved = read_state(bundle, self._kind.name)
        attach = self._load_state(saved.state)
        return lambda: attach(take_descriptors(bundle, saved.cookies))

    def _load_state(self, state: dict[str, Any]) -> Attach:
        if self._service is None:
            raise StateError(f"a listener of kind {self._kind.name} takes over no clients")
        try:
            return self._service.load(state)
        except StateError:
            raise
        except Exception as error:  # a bug in it must not keep the daemon from its start
            _log.exception("cannot load a state")
            raise StateError(f"cannot load a state: {error!r}") from error

    def _go(self) -> None:
        for bundle, attach in self._incoming:
            attach()
            bundle.close()
        self._incoming.clear()
        self.is_holding = False
        self.send_snapshot()  # the worker's successor must not begin without one

    def _prepare(self, within_s: float) -> None:
        if self._service is None or self.is_holding:
            self._send(NotHandedOver("the worker does not serve yet"))
            return
        self._requests += 1
        request = self._requests

        def on_prepared() -> None:
            self._is_prepared = request == self._requests

        try:
            self._service.prepare_handover(within_s, on_prepared)
        except Exception as error:  # noqa: BLE001 (reported; the clients stay here)
            self._refuse(error)

    def _refuse(self, error: Exception) -> None:
        if isinstance(error, OSError | NetdError):
            reason = describe(error) if isinstance(error, OSError) else str(error)
            _log.error("cannot hand over: %s", reason)
        else:  # a bug
            reason = repr(error)
            _log.error("cannot hand over", exc_info=error)
        self._send(NotHandedOver(reason))
        self._resume()

    def _resume(self) -> None:
        self._requests += 1
        self._is_prepared = self.is_holding = False
        self._close_outgoing()
        if self._service is not None:
            self._service.resume()

    def _close_outgoing(self) -> None:
        if self._outgoing is not None:
            self._outgoing.close()
            self._outgoing = None
