"""What every kind of listener is made of: its name, its options, its service, its worker.

A worker process runs one service in one loop. This module turns the link's messages into
calls on the service and the service's counters into heartbeats; what a service does with its
connections is its own.
"""

from __future__ import annotations

import logging
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from netd.config.address import ALL_SCHEMES, Address, Scheme
from netd.config.model import ListenerOptions
from netd.config.serialize import from_plain
from netd.errors import BindError, NetdError, Problem
from netd.protocols.link import (
    Configure,
    Drain,
    Failed,
    Heartbeat,
    Inquire,
    Message,
    Ready,
    Reload,
    Reloaded,
    Retiring,
    Status,
    format_message,
    parse_message,
)
from netd.runtime.fd_channel import ChannelClosedError, FdChannel
from netd.runtime.loop import Loop
from netd.runtime.poller import READ, WRITE, EpollPoller
from netd.runtime.signals import SignalWatch
from netd.runtime.sockets import adopt

log = logging.getLogger("netd")


@dataclass(frozen=True, slots=True)
class ListeningSocket:
    """An open socket and the configured address it stands on; several may share an address."""

    address: Address
    sock: socket.socket  # non-blocking


class Service(Protocol):
    """What a worker does; one object for the worker's whole life, first of all configured."""

    def configure(self, options: ListenerOptions, sockets: Sequence[ListeningSocket]) -> None:
        """Serve so from now on, in place of any options and sockets before.

        Sockets that are no longer named are served empty (accept until nothing waits) and
        closed; established connections go on. All-or-nothing: a NetdError raised here leaves
        what was before in force, and the reload that asked is rolled back.
        """

    def drain(self, within_s: float | None, *, stopping: bool) -> None:
        """Accept what waits, close the listening sockets, finish what is open, stop the loop.

        Past `within_s` seconds what is still open is closed; None waits as long as it takes.
        Call `loop.stop()` when nothing is left.
        """

    def counters(self) -> dict[str, int]:
        """At least connections (now), accepted, refused, bytes_in and bytes_out (in all)."""


@runtime_checkable
class StatusReader(Protocol):
    """A service that shows how the whole daemon is."""

    inquire: Callable[[], None]
    """Asks the supervisor; the worker sets it, and calls `on_status` with the answer."""

    def on_status(self, status: dict[str, Any]) -> None:
        """What `netd status --json` prints."""


@runtime_checkable
class Reloader(Protocol):
    """A service whose clients may have the daemon's configuration read again."""

    reload: Callable[[], None]
    """Asks the supervisor; the worker sets it, and calls `on_reloaded` with each outcome."""

    def on_reloaded(self, detail: str, *, ok: bool) -> None:
        """What changed, or the errors, one a line."""


def no_problems(_options: ListenerOptions) -> tuple[Problem, ...]:
    """The check of a kind that has nothing to check beyond its model."""
    return ()


def no_hint(_address: Address, _options: ListenerOptions) -> str:
    """The hint of a kind that has none."""
    return ""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of listener, as the supervisor and the command line see it."""

    name: str
    options: type[ListenerOptions]
    service: Callable[[Loop], Service]
    probe: Callable[[str, Address, float], str]
    """Speak the protocol to (listener, bound address) within so many seconds; returns what came
    back, for a person to read. Raises NetdError or OSError if the listener is sick."""
    hint: Callable[[Address, ListenerOptions], str] = no_hint
    """A command that tries the listener at a bound address: `curl http://127.0.0.1:8080/`."""
    schemes: frozenset[Scheme] = ALL_SCHEMES
    max_workers: int = 64
    check: Callable[[ListenerOptions], tuple[Problem, ...]] = no_problems
    """Problems of the options with this machine's files (missing directory, unreadable key);
    each Problem's key is relative to the listener (`routes.0.directory`)."""


def serve(kind: Kind, channel: FdChannel, *, heartbeat_period_s: float = 1.0) -> None:
    """Run a worker of `kind` until it is drained or the supervisor is gone."""
    loop = Loop(EpollPoller())
    worker = _Worker(kind, channel, loop)
    loop.call_every(heartbeat_period_s, worker.beat)
    worker.run()


class _Worker:
    def __init__(self, kind: Kind, channel: FdChannel, loop: Loop) -> None:
        self._kind = kind
        self._channel = channel
        self._loop = loop
        self._service = kind.service(loop)
        self._is_configured = False
        if isinstance(self._service, StatusReader):
            self._service.inquire = lambda: self._send(Inquire())
        if isinstance(self._service, Reloader):
            self._service.reload = lambda: self._send(Reload())

    def run(self) -> None:
        SignalWatch(self._loop, {signal.SIGTERM: self._retire})
        self._loop.watch(self._channel.fileno(), READ, self._on_channel_ready)
        self._loop.run()
        self.beat()

    def _retire(self) -> None:
        """Finish as on a stop: somebody asked this process alone, or its whole group."""
        self._send(Retiring())
        self._drain(None, stopping=True)

    def _drain(self, within_s: float | None, *, stopping: bool) -> None:
        if self._is_configured:
            self._service.drain(within_s, stopping=stopping)
        else:
            self._loop.stop()

    def _on_channel_ready(self, mask: int) -> None:
        if mask & WRITE:
            self._channel.flush()
        if mask & ~WRITE:
            self._read()
        self._watch_channel()

    def _read(self) -> None:
        try:
            lines = self._channel.receive()
        except ChannelClosedError:
            log.error("the supervisor is gone")  # noqa: TRY400 (no traceback: nothing raised)
            raise SystemExit(1) from None
        for line in lines:
            self._obey(parse_message(line))

    def _obey(self, message: Message) -> None:
        match message:
            case Configure():
                self._send(self._configure(message))
                self.beat()
            case Drain():
                self._drain(message.within_s, stopping=message.stopping)
            case Status(body) if isinstance(self._service, StatusReader):
                self._service.on_status(body)
            case Reloaded(ok, detail) if isinstance(self._service, Reloader):
                self._service.on_reloaded(detail, ok=ok)
            case _:
                raise AssertionError(f"not for a worker: {message}")

    def _configure(self, message: Configure) -> Ready | Failed:
        descriptors = self._channel.take_descriptors(len(message.sockets))
        sockets = [
            ListeningSocket(Address.parse(text), adopt(fd))
            for text, fd in zip(message.sockets, descriptors, strict=False)
        ]
        try:
            if len(sockets) < len(message.sockets):
                raise BindError("no descriptor is left to listen with")
            self._service.configure(from_plain(self._kind.options, message.options), sockets)
        except NetdError as error:
            for each in sockets:
                each.sock.close()
            return Failed(str(error))
        self._is_configured = True
        return Ready()

    def beat(self) -> None:
        """Tell the supervisor that the loop turns, and what it has counted."""
        if not self._channel.has_unsent:
            self._send(Heartbeat(self._service.counters() if self._is_configured else {}))

    def _send(self, message: Message) -> None:
        self._channel.send(format_message(message))
        self._watch_channel()

    def _watch_channel(self) -> None:
        self._loop.change(
            self._channel.fileno(), READ | WRITE if self._channel.has_unsent else READ
        )
