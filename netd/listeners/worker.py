"""The worker process's side: turns the link's messages into calls on its service.

A worker process runs one service on one loop. It sends a heartbeat with the service's counters,
and exits when its service has drained or the supervisor is gone.

During a handover (`HandoverService`) the loop does not turn: the worker serves its link alone until
the supervisor has decided which process continues.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, Final, NoReturn

from netd.config.address import Address
from netd.config.serialize import deserialize
from netd.errors import BindError, LocalProtocolError, NetdError
from netd.listeners.handover_port import HandoverPort
from netd.listeners.kind import AnyKind, ListeningSocket, ReloadResult, Service
from netd.listeners.link_endpoint import Link
from netd.protocols.link import (
    Configure,
    Drain,
    Exit,
    Failed,
    Go,
    HandOver,
    Heartbeat,
    LinkMessage,
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
_SNAPSHOT_S: Final = 1.0

_log = logging.getLogger("netd")


def run_worker(
    kind: AnyKind, channel: FdChannel, *, heartbeat_period_s: float = _HEARTBEAT_S
) -> None:
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
            on_closed=self._exit_orphaned,
            on_error=_raise,
        )
        self.datagram_names: set[int | str] = set()
        """See `Daemon`."""
        self.handoff_queues: dict[str, socket.socket] = {}
        """See `Daemon`."""
        self.gets_handoffs = False
        """See `Daemon`."""
        self.worker_number = 0
        """See `Daemon`."""
        self._service: Service[Any] | None = None
        self._handover = HandoverPort(kind, self._link.send)
        self._loop.call_every(_SNAPSHOT_S, self._send_snapshot)
        self._status_requests: deque[Callable[[dict[str, Any]], object]] = deque()
        self._reload_requests: deque[Callable[[ReloadResult], object]] = deque()

    def run(self) -> None:
        """Turn the loop until the service has drained."""
        SignalWatch(self._loop, {signal.SIGTERM: self._retire})
        while self._loop.is_running:
            self._loop.turn()
            self._handover.end_turn()
            while self._handover.is_holding:
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
                reply = self._configure(message)
                self._send_heartbeat()  # a worker that is ready has counters
                self._link.send(reply)
            case Go() | HandOver() | Resume():
                self._handover.handle(message)
            case Release() | Drain() | Exit():
                self._leave(message)
            case Status(body):
                self._status_requests.popleft()(body)
            case Reloaded(ok, detail):
                self._reload_requests.popleft()(ReloadResult(ok, detail))
            case _:
                raise AssertionError(f"not for a worker: {message}")

    def _configure(self, message: Configure) -> Ready | Failed:
        sockets = self._take_sockets(message.sockets)
        bundles = [self._link.take_descriptors(count) for count in message.bundles]
        self._take_queues(message.queues)
        self.worker_number, self.gets_handoffs = message.number, message.gets_handoffs
        try:
            if len(sockets) < len(message.sockets):
                raise BindError("no descriptor is left to listen with")
            options = deserialize(self._kind.options, message.options)
            if self._service is None:
                start = self._kind.load_service()
                self._service = start(self._loop, options, sockets, self)
                self._handover.start(self._service, bundles, needs_state=message.needs_state)
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

    def _take_queues(self, names: tuple[str, ...]) -> None:
        """Use the ends of the hand-off queues that came; one that is here already stays."""
        queues = self.handoff_queues
        for name in queues.keys() - names:
            queues.pop(name).close()
        descriptors = self._link.take_descriptors(len(names))
        for name, fd in zip(names, descriptors, strict=False):
            if name in queues and os.path.sameopenfile(queues[name].fileno(), fd):
                os.close(fd)
                continue
            if name in queues:
                queues[name].close()
            queues[name] = adopt(fd)

    def _leave(self, message: Release | Drain | Exit) -> None:
        match message:
            case Release() if self._service is not None:
                self._service.release_sockets()
            case Drain(within_s, stopping):
                self._drain(within_s, stopping=stopping)
            case Exit(within_s) if self._handover.has_handed_over:
                self._handover.leave(within_s)
            case Exit(within_s):  # the successor of a process that ended during the handover
                self._drain(within_s, stopping=within_s is not None)

    def _drain(self, within_s: float | None, *, stopping: bool) -> None:
        if self._service is None or self._handover.is_holding:  # others serve the clients
            self._exit()
        else:
            self._service.drain(within_s, stopping=stopping)

    def _exit(self) -> None:
        self._handover.is_holding = False
        self._loop.stop()

    def _send_heartbeat(self) -> None:
        flush_log()
        if self._service is None:
            self._link.send_ahead(Heartbeat())
        else:
            counters = self._service.counters()
            self._link.send_ahead(
                Heartbeat(
                    dict(counters.totals),
                    dict(counters.gauges),
                    self._service.degraded(),
                    {name: dict(counts) for name, counts in counters.series.items()},
                    dict(counters.moments),
                    dict(counters.shared),
                )
            )

    def _send_snapshot(self) -> None:
        if not self._link.has_unsent:
            self._handover.send_snapshot()

    def _exit_orphaned(self) -> None:
        if self._handover.has_handed_over:  # another program runs in the supervisor's process
            self._link.close()
            self._handover.leave(None)
            return
        if self._handover.is_holding:
            raise SystemExit(0)
        _log.error("the supervisor is gone")
        raise SystemExit(1)


def _raise(error: OSError | LocalProtocolError) -> NoReturn:
    raise error
