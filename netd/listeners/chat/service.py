"""The chat listener's service: accepts connections, applies options, checks time limits.

The path of a line: `session` splits the received bytes into lines; `room_driver` passes a line to
`room.room`, which returns effects; `fanout` sends the messages among them.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from netd.errors import BindError
from netd.listeners.admission import is_within
from netd.listeners.chat.credentials_file import CredentialsFiles
from netd.listeners.chat.garbage import GarbageCollections
from netd.listeners.chat.gatekeeper import FULL, Gatekeeper, refuse
from netd.listeners.chat.handoff_receiver import (
    HandoffReceiver,
    refuse_upgrade,
    send_and_close,
)
from netd.listeners.chat.handover_driver import HandoverDriver
from netd.listeners.chat.hooks.hook_stream import HookStream
from netd.listeners.chat.hooks.hooks import Hooks
from netd.listeners.chat.options import ChatOptions
from netd.listeners.chat.peer_facts import WebClient
from netd.listeners.chat.preparation import Preparation
from netd.listeners.chat.room.member import Client
from netd.listeners.chat.room.state import RoomState
from netd.listeners.chat.room_settings import settings_of
from netd.listeners.chat.saved_chat import SavedChat
from netd.listeners.chat.saved_session import SavedSession
from netd.listeners.chat.session import Session
from netd.listeners.chat.snapshots import OnSnapshot
from netd.listeners.connection_set import ConnectionSet
from netd.listeners.counters import Counters
from netd.listeners.kind import Attach, Daemon, Handover, ListeningSocket
from netd.listeners.proxy_headers import ProxiedClient, ProxyHeaderReader, SavedProxied
from netd.protocols.handoff import Handoff
from netd.protocols.saved_record import save_record
from netd.protocols.websocket import HandshakeError, shake_hands, split_head
from netd.runtime.loop import Loop, Timer
from netd.runtime.poller import FD_SETSIZE, POLLERS, PollerFullError

if TYPE_CHECKING:  # OpenSSL, only for listeners that speak TLS
    from netd.listeners.certificate import Certificate

_MIN_CHECK_PERIOD_S: Final = 0.05
_MAX_CHECK_PERIOD_S: Final = 1.0
_LOST_REASON: Final = "Connection lost in a restart"


class ChatService:
    """One chat server: its sockets, its sessions and its room."""

    def __init__(
        self,
        loop: Loop,
        options: ChatOptions,
        sockets: Sequence[ListeningSocket],
        daemon: Daemon,
    ) -> None:
        """Start serving.

        Raises ConfigError if a file cannot be used, BindError if the poller cannot watch `sockets`.
        """
        self._loop = loop
        self._options = options
        self._certificate = _open_certificate(options)
        self._credentials = CredentialsFiles(options)
        _check_watchable(options.poller, sockets)
        self._use_poller(options.poller)
        self._connections = ConnectionSet(
            loop,
            options,
            self._on_accept,
            close=Session.close,
            on_drained=self._stop_if_done,
            idle_since=Session.idle_since,
        )
        settings = settings_of(options, self._credentials)
        make = _driver_of(options)
        self._room = make(loop, options, settings, daemon, self._connections.remove)
        self._gatekeeper = Gatekeeper(self._connections)
        self._proxy_headers = ProxyHeaderReader(loop, self._on_header, self._stop_if_done)
        self._garbage = GarbageCollections(loop.now)
        self._hooks = Hooks(loop, self)
        self._preparation: Preparation | None = None
        self._connections.listen(sockets)
        if daemon.gets_handoffs:
            _load_websockets()
        queues = list(daemon.handoff_queues.values())
        self._handoffs = [HandoffReceiver(loop, queue, self._on_handoff) for queue in queues]
        self._checks = self._schedule_checks()

    def reconfigure(self, options: ChatOptions, sockets: Sequence[ListeningSocket]) -> None:
        certificate = _open_certificate(options)
        credentials = CredentialsFiles(options)
        _check_watchable(options.poller, sockets)
        if options.poller != self._options.poller:
            self._use_poller(options.poller)
        self._options, self._certificate, self._credentials = options, certificate, credentials
        self._room.reconfigure(options, settings_of(options, credentials))
        self._connections.reconfigure(options, sockets)
        self._checks.cancel()
        self._checks = self._schedule_checks()

    def release_sockets(self) -> None:
        self._connections.release_sockets()

    def drain(self, within_s: float | None, *, stopping: bool) -> None:
        self._cancel_preparation()
        for receiver in self._handoffs:
            receiver.close()
        self._hooks.close()
        self._connections.drain(within_s)
        self._proxy_headers.close()
        self._room.shut_down(
            "server shutting down" if stopping else "this service is no longer offered"
        )

    def prepare_handover(self, within_s: float, on_prepared: Callable[[], object]) -> None:
        self._cancel_preparation()
        self._preparation = Preparation(self._loop, self._room, within_s, on_prepared)

    def save(self) -> Handover:
        saved, descriptors = self._room.save()
        proxied = self._proxy_headers.save(partial(_append, descriptors))
        state = {
            **saved,
            "proxied": [save_record(waiting) for waiting in proxied],
            "throttle": self._gatekeeper.save(),
            "is_snapshot": False,
        }
        return Handover(state, descriptors)

    def snapshot(self, on_snapshot: OnSnapshot) -> None:
        self._room.snapshot(on_snapshot)

    def resume(self) -> None:
        self._cancel_preparation()
        self._room.reopen_store()
        self._hooks.restore()

    def leave(self, within_s: float | None) -> None:  # noqa: ARG002 (those under TLS are closed)
        self._loop.stop()

    def load(self, state: dict[str, Any]) -> Attach:
        settings = settings_of(self._options, self._credentials)
        saved = SavedChat.load(state, settings, time.time())
        self._room.load(saved)
        self._gatekeeper.load(saved.throttle)
        return partial(self._attach, saved)

    def _attach(self, saved: SavedChat, descriptors: Mapping[int, int]) -> None:
        left = dict(descriptors)
        for session in saved.sessions:
            if session.descriptor in left:
                self._continue(session, left.pop(session.descriptor))
        for proxied in saved.proxied:
            if proxied.descriptor in left:
                self._await_header(proxied, left.pop(proxied.descriptor))
        for descriptor in left.values():
            os.close(descriptor)
        settings = settings_of(self._options, self._credentials)
        self._room.begin(saved, settings, _LOST_REASON)
        self._hooks.restore()

    def _continue(self, saved: SavedSession, descriptor: int) -> None:
        """Continue a client's session; its socket is closed if the poller cannot watch it."""
        sock = socket.socket(fileno=descriptor)
        try:
            session = Session(
                self._room,
                self._loop,
                self._options,
                sock,
                host=saved.host,
                certificate=None,
                client=saved.client,
                web=None if saved.web is None else saved.web.client,
            )
        except PollerFullError:
            refuse(sock, FULL)
            return
        self._connections.adopt(session, saved.host)
        self._room.adopt(session)
        if session.web is not None and saved.web is not None:
            session.web.reader = saved.web.reader
        session.restore(saved.attributes, saved.stream)

    def _await_header(self, saved: SavedProxied, descriptor: int) -> None:
        sock = socket.socket(fileno=descriptor)
        try:
            self._proxy_headers.take_over(sock, saved)
        except PollerFullError:
            refuse(sock, FULL)

    def counters(self) -> Counters:
        moments = self._certificate.moments if self._certificate else {}
        totals = {"proxy_protocol_failures": self._proxy_headers.failures}
        own = Counters(totals, moments=moments)
        return (
            self._connections.counters()
            + self._gatekeeper.counters()
            + self._room.counters()
            + self._hooks.counters()
            + own
        )

    def degraded(self) -> str:
        return self._connections.degraded() or self._room.degraded()

    def _on_accept(self, sock: socket.socket, host: str, listening: ListeningSocket) -> None:
        options, is_tls = self._options, self._options.is_tls(listening.address)
        if not (host and is_within(host, options.proxy_protocol_from)):
            self._admit(sock, ProxiedClient(host, awaits_tls=is_tls))
        elif self._gatekeeper.may_wait(sock, options):
            self._proxy_headers.add(
                sock,
                host,
                options.registration_timeout,
                awaits_tls=is_tls,
                is_optional=options.proxy_protocol == "optional",
            )

    def _on_header(self, sock: socket.socket, client: ProxiedClient) -> None:
        self._admit(sock, client)
        self._stop_if_done()  # it may have been the last one, and be refused

    def _admit(self, sock: socket.socket, client: ProxiedClient) -> None:
        if not self._gatekeeper.admit(sock, client.host, self._loop.now, self._options):
            return
        session = Session(
            self._room,
            self._loop,
            self._options,
            sock,
            host=client.host,
            certificate=self._certificate if client.awaits_tls else None,
            is_secure=client.is_secure,
        )
        self._connections.add(session, client.host)
        self._room.enter(session)
        session.begin_with(client.data)

    def _on_handoff(self, sock: socket.socket, handoff: Handoff) -> None:
        """Shake hands with a client of an HTTP route, or serve the request of a script."""
        if handoff.is_hook:
            self._hooks.take(sock, handoff)
            return
        head, data = split_head(handoff.received)
        try:
            handshake = shake_hands(head)
        except HandshakeError as error:
            send_and_close(sock, error.response)
            return
        now, options, host = self._loop.now, self._options, handoff.host
        if not self._gatekeeper.admit(sock, host, now, options, refuse_upgrade):
            return
        session = Session(
            self._room,
            self._loop,
            self._options,
            sock,
            host=host,
            certificate=None,
            is_secure=handoff.is_secure,
            web=WebClient(handshake.opcode, handoff.user, handoff.is_relayed),
        )
        assert session.web is not None
        session.web.write_response(handshake.response)
        self._connections.add(session, host)
        self._room.enter(session)
        session.begin_with(data)

    @property
    def room_state(self) -> RoomState:
        """See `Chat`."""
        return self._room.state

    @property
    def options(self) -> ChatOptions:
        """See `Chat`."""
        return self._options

    def enter_hook(self, client: Client, stream: HookStream) -> None:
        """See `Chat`."""
        session = Session(self._room, self._loop, self._options, stream, host="", client=client)
        self._connections.adopt(session, "")
        self._room.enter(session)

    def _cancel_preparation(self) -> None:
        if self._preparation is not None:
            self._preparation.cancel()

    def _use_poller(self, name: str) -> None:
        try:
            self._loop.use_poller(POLLERS[name]())
        except PollerFullError as error:
            raise BindError(f"poller: {error}") from error

    def _schedule_checks(self) -> Timer:
        options = self._options
        shortest = min(options.ping_after, options.ping_timeout, options.registration_timeout)
        period_s = max(_MIN_CHECK_PERIOD_S, min(_MAX_CHECK_PERIOD_S, shortest / 4))
        return self._loop.call_every(period_s, self._check)

    def _check(self) -> None:
        """Read changed files again, and check the sessions' time limits."""
        if self._certificate is not None:
            self._certificate.refresh()
        if self._credentials.refresh():
            self._room.set_settings(settings_of(self._options, self._credentials))
        self._room.check_time_limits()
        self._proxy_headers.close_late(self._loop.now)
        self._garbage.check(self._loop.now, self._room.lines)
        self._hooks.check()

    def _stop_if_done(self) -> None:
        if self._connections.is_drained and not self._proxy_headers:
            self._room.close(self._loop.stop)


def _driver_of(options: ChatOptions) -> type[HandoverDriver]:
    if options.cluster is None:
        return HandoverDriver
    from netd.listeners.chat.cluster_driver import ClusterDriver  # noqa: PLC0415 (if needed)

    return ClusterDriver


def _load_websockets() -> None:
    """Load modules that the first WebSocket needs: later, all clients would wait for them."""
    from netd.listeners.chat import websocket_stream  # noqa: F401, PLC0415 (wsproto, if needed)


def _append(descriptors: list[int], descriptor: int) -> int:
    """Add a descriptor to those that travel, and return its position."""
    descriptors.append(descriptor)
    return len(descriptors) - 1


def _check_watchable(poller: str, sockets: Sequence[ListeningSocket]) -> None:
    highest = max((listening.sock.fileno() for listening in sockets), default=0)
    if poller == "select" and highest >= FD_SETSIZE:
        raise BindError(f"poller: select watches descriptors below {FD_SETSIZE}, not {highest}")


def _open_certificate(options: ChatOptions) -> Certificate | None:
    if options.tls is None:
        return None
    from netd.listeners.certificate import Certificate  # noqa: PLC0415 (OpenSSL, only for TLS)

    return Certificate(options.tls, client_ca=options.tls.client_ca)
