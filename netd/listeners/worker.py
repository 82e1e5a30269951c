"""The worker process's side: turns the link's messages into calls on its service.

A worker process runs one service on one loop. It sends a heartbeat with the service's counters,
and exits when its service has drained or the supervisor is gone.

During a handover (`HandoverService`) the loop does not turn: the worker serves its link alone until
the supervisor has decided which process continues.
"""

from __future__ import annotations

import logging
import signal
from collections import deque
from collections.abc import Callable
from typing import Any, Final, NoReturn, cast

from netd.config.address import Address
from netd.config.serialize import deserialize
from netd.errors import BindError, LocalProtocolError, NetdError, StateError
from netd.listeners.bundle import Bundle, of_descriptors, pack, read_state, take_descriptors
from netd.listeners.kind import (
    AnyKind,
    Attach,
    HandoverService,
    ListeningSocket,
    ReloadResult,
    Service,
)
from netd.listeners.link_endpoint import Link
from netd.protocols.link import (
    Configure,
    Drain,
    Exit,
    Failed,
    Go,
    HandedOver,
    HandOver,
    Heartbeat,
    LinkMessage,
    NotHandedOver,
    OwnAddresses,
    Ready,
    Release,
    Reloaded,
    RequestReload,
    RequestStatus,
    Resume,
    Retiring,
    Status,
)
from netd.runtime.fd_channel import FdChannel
from netd.runtime.journal import flush_log
from netd.runtime.loop import Loop
from netd.runtime.poller import EpollPoller
from netd.runtime.signals import SignalWatch
from netd.runtime.sockets import adopt

_HEARTBEAT_S: Final = 1.0

_log = logging.getLogger("netd")


def run_worker(kind: AnyKind, channel: FdChannel, *, heartbeat_period_s: float = _HEARTBEAT_S) -> None:
    """Run a worker of `kind` until it has drained; SystemExit if the supervisor is gone."""
    Worker(kind, channel, heartbeat_period_s).run()


class Worker:
    """A worker process: one loop, one link, and one service once it is configured."""

    def __init__(self, kind: AnyKind, channel: FdChannel, heartbeat_period_s: float) -> None:
        self._kind = kind
        self._period_s = heartbeat_period_s
        self._loop = Loop(EpollPoller())
        self._loop.call_every(heartbeat_period_s, self._send_heartbeat)
        self._link = Link(
            self._loop,
            channel,
            on_message=self._on_message,
            on_closed=_exit_orphaned,
            on_error=_raise,
        )
        self.datagram_names: set[int | str] = set()
        """See `Daemon`."""
        self._service: Service[Any] | None = None
        self._is_held = False  # the loop does not turn before the supervisor's decision
        self._is_prepared = False
        self._handovers = 0  # how many were requested: an abandoned one can still call back
        self._outgoing: Bundle | None = None
        self._incoming: list[tuple[Bundle, Callable[[], object]]] = []
        self._status_requests: deque[Callable[[dict[str, Any]], object]] = deque()
        self._reload_requests: deque[Callable[[ReloadResult], object]] = deque()

    def run(self) -> None:
        """Turn the loop until the service has drained."""
        SignalWatch(self._loop, {signal.SIGTERM: self._retire})
        while self._loop.is_running:
            self._loop.turn()
            if self._is_prepared:
                self._hand_over()
            while self._is_held:
                self._link.wait(self._period_s)
                self._send_heartbeat()
        self._send_heartbeat()

    def request_status(self, on_status: Callable[[dict[str, Any]], object]) -> None:
        """See `Daemon`."""
        self._status_requests.append(on_status)
        self._link.send(RequestStatus())

    def request_reload(self, on_result: Callable[[ReloadResult], object]) -> None:
        """See `Daemon`."""
        self._reload_requests.append(on_result)
        self._link.send(RequestReload())

    def _retire(self) -> None:
        """Drain as for a stop of the daemon: this process has received SIGTERM."""
        self._link.send(Retiring())
        self._drain(None, stopping=True)

    def _on_message(self, message: LinkMessage) -> None:
        match message:
            case OwnAddresses(names):
                self.datagram_names.clear()
                self.datagram_names.update(names)
            case Configure():
                self._link.send(self._configure(message))
                self._send_heartbeat()
            case Go():
                self._go()
            case HandOver(within_s):
                self._prepare_handover(within_s)
            case Resume():
                self._resume()
            case Exit():
                self._is_held = False
                self._loop.stop()
            case Release():
                if self._service is not None:
                    self._service.release_sockets()
            case Drain(within_s, stopping):
                self._drain(within_s, stopping=stopping)
            case Status(body):
                self._status_requests.popleft()(body)
            case Reloaded(ok, detail):
                self._reload_requests.popleft()(ReloadResult(ok, detail))
            case _:
                raise AssertionError(f"not for a worker: {message}")

    def _configure(self, message: Configure) -> Ready | Failed:
        sockets = self._take_sockets(message.sockets)
        bundles = [self._link.take_descriptors(count) for count in message.bundles]
        try:
            if len(sockets) < len(message.sockets):
                raise BindError("no descriptor is left to listen with")
            options = deserialize(self._kind.options, message.options)
            if self._service is None:
                self._service = self._kind.start(self._loop, options, sockets, self)
                self._load_all(bundles, is_needed=message.needs_state)
            else:
                self._service.reconfigure(options, sockets)
        except NetdError as error:
            for listening in sockets:
                listening.sock.close()
            return Failed(str(error))
        return Ready()

    def _take_sockets(self, addresses: tuple[str, ...]) -> list[ListeningSocket]:
        descriptors = self._link.take_descriptors(len(addresses))
        return [
            ListeningSocket(Address.parse(text), adopt(fd))
            for text, fd in zip(addresses, descriptors, strict=False)
        ]

    # Taking over

    def _load_all(self, bundles: list[list[int]], *, is_needed: bool) -> None:
        """Load the states, and then wait for Go. Raises StateError if a state is needed."""
        for descriptors in bundles:
            self._is_held = True
            try:
                bundle = of_descriptors(descriptors)
                self._incoming.append((bundle, self._load(bundle)))
            except StateError as error:
                if is_needed:
                    raise
                _log.error("%s: clients are lost: %s", self._kind.name, error)  # noqa: TRY400 (no traceback for an expected error)

    def _load(self, bundle: Bundle) -> Callable[[], object]:
        saved = read_state(bundle, self._kind.name)
        attach = self._load_state(saved.state)
        return lambda: attach(take_descriptors(bundle, saved.cookies))

    def _load_state(self, state: dict[str, Any]) -> Attach:
        try:
            return self._handover_service.load(state)
        except StateError:
            raise
        except Exception as error:  # a bug must not keep the daemon from its start
            _log.exception("cannot load a state")
            raise StateError(f"cannot load a state: {error!r}") from error

    def _go(self) -> None:
        for bundle, attach in self._incoming:
            attach()
            bundle.close()
        self._incoming.clear()
        self._is_held = False

    # Handing over

    @property
    def _handover_service(self) -> HandoverService[Any]:
        assert self._kind.hands_over
        return cast("HandoverService[Any]", self._service)

    def _prepare_handover(self, within_s: float) -> None:
        if self._service is None or self._is_held:
            self._link.send(NotHandedOver("the worker does not serve yet"))
            return
        self._handovers += 1
        number = self._handovers
        try:
            self._handover_service.prepare_handover(within_s, lambda: self._on_prepared(number))
        except Exception as error:  # noqa: BLE001 (reported; the clients stay here)
            self._refuse_handover(error)

    def _on_prepared(self, number: int) -> None:
        self._is_prepared = number == self._handovers

    def _hand_over(self) -> None:
        """Save and send the state, at the end of a turn; then wait for the decision."""
        self._is_prepared = False
        try:
            self._outgoing = pack(self._kind.name, self._handover_service.save())
        except Exception as error:  # noqa: BLE001 (reported; the clients stay here)
            self._refuse_handover(error)
            return
        self._is_held = True
        descriptors = self._outgoing.descriptors
        self._link.send(HandedOver(len(descriptors)), descriptors)

    def _refuse_handover(self, error: Exception) -> None:
        _log.error("cannot hand over", exc_info=error)
        self._link.send(NotHandedOver(repr(error)))
        self._resume()

    def _resume(self) -> None:
        self._handovers += 1
        self._is_prepared = self._is_held = False
        if self._outgoing is not None:
            self._outgoing.close()
            self._outgoing = None
        self._handover_service.resume()

    # Draining and reporting

    def _drain(self, within_s: float | None, *, stopping: bool) -> None:
        if self._service is None or self._is_held:  # then other processes have the clients
            self._is_held = False
            self._loop.stop()
        else:
            self._service.drain(within_s, stopping=stopping)

    def _send_heartbeat(self) -> None:
        flush_log()
        if self._link.has_unsent:
            return  # the supervisor does not read at present
        if self._service is None:
            self._link.send(Heartbeat())
        else:
            counters = self._service.counters()
            degraded = self._service.degraded()
            self._link.send(Heartbeat(dict(counters.totals), dict(counters.gauges), degraded))


def _exit_orphaned() -> NoReturn:
    _log.error("the supervisor is gone")
    raise SystemExit(1)


def _raise(error: OSError | LocalProtocolError) -> NoReturn:
    raise error
