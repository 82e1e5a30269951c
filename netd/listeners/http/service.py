"""A worker's HTTP service: accepts connections, closes late ones, reconfigures, drains."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from netd.listeners.admission import is_within
from netd.listeners.connection_set import ConnectionSet
from netd.listeners.counters import Counters
from netd.listeners.http.connection.connection import UNUSED_TIMEOUT_S, Connection
from netd.listeners.http.connection.connection_state import ConnectionState, SavedConnection
from netd.listeners.http.connection.descriptor_table import DescriptorTable
from netd.listeners.http.connection.handoff_sender import HandoffSender
from netd.listeners.http.connection.hook_caller import HookCaller
from netd.listeners.http.connection.relay import Relay
from netd.listeners.http.connection.transport import PlainTransport, Transport
from netd.listeners.http.files.compressions import Compressions
from netd.listeners.http.files.listings import Listings
from netd.listeners.http.handover import (
    ArrivedDescriptors,
    Preparation,
    SavedService,
)
from netd.listeners.http.options import HttpOptions
from netd.listeners.http.response.responder import Responder
from netd.listeners.http.routes.daemon_status import DaemonStatus
from netd.listeners.http.routes.route_auth import Denial
from netd.listeners.http.routes.worker_context import WorkerContext
from netd.listeners.kind import Attach, Daemon, Handover, ListeningSocket
from netd.listeners.logins.password_verifier import PasswordVerifier
from netd.listeners.proxy_headers import ProxiedClient, ProxyHeaderReader
from netd.listeners.tls_options import TlsOptions
from netd.protocols.saved_record import load_record, save_record
from netd.runtime.bounded_log import BoundedLog
from netd.runtime.loop import Loop, Timer
from netd.runtime.sockets import adopt

if TYPE_CHECKING:
    from netd.listeners.http.connection.tls_transport import TlsContext

UPKEEP_PERIOD_S: Final = 5.0


class HttpService:
    """The service of one worker, for the worker's whole life."""

    def __init__(
        self,
        loop: Loop,
        options: HttpOptions,
        sockets: Sequence[ListeningSocket],
        daemon: Daemon,
    ) -> None:
        """Start serving. Raises ConfigError if the certificate cannot be used."""
        self._tls = _open_tls(options.tls) if options.tls else None
        self.loop = loop
        self._connections: ConnectionSet[Connection | Relay] = ConnectionSet(
            loop,
            options,
            self._on_accept,
            close=lambda connection: connection.close(),
            on_drained=self._stop_if_done,
            idle_since=lambda connection: connection.idle_since(),
            give_way=lambda connection: connection.give_way(),
        )
        self._handoffs = HandoffSender(daemon.handoff_queues)
        self._proxy_headers = ProxyHeaderReader(loop, self._on_header, self._stop_if_done)
        self._proxies = options.proxy_protocol_from
        self._context = WorkerContext(
            DaemonStatus(loop, daemon),
            PasswordVerifier(loop, options),
            Listings(loop),
            Compressions(loop),
            HookCaller(loop, self._handoffs).call,
            loop.time,
            BoundedLog(loop, "requests refused", logging.INFO),
        )
        self.responder = Responder(options, self._context)
        self._update_date()
        loop.call_every(UPKEEP_PERIOD_S, self._keep_up)
        self._sweep = self._start_sweep(options)
        self._preparation: Preparation | None = None
        self._table = DescriptorTable()  # of the last handover
        self._connections.listen(sockets)

    def reconfigure(self, options: HttpOptions, sockets: Sequence[ListeningSocket]) -> None:
        self._tls = _open_tls(options.tls) if options.tls else None
        self._proxies = options.proxy_protocol_from
        self._context.verifier.reconfigure(options)
        self.responder.configure(options)
        self._sweep.cancel()
        self._sweep = self._start_sweep(options)
        self._connections.reconfigure(options, sockets)

    def release_sockets(self) -> None:
        self._connections.release_sockets()

    def drain(self, within_s: float | None, *, stopping: bool) -> None:
        self.responder.start_closing()
        self._connections.drain(within_s)
        if within_s is not None:
            self.loop.call_later(within_s, self._proxy_headers.close)
        if stopping:
            self.responder.closes_idle = True
            for connection in self._connections:
                connection.close_if_idle()
            self._proxy_headers.shorten_deadlines(UNUSED_TIMEOUT_S)

    def prepare_handover(self, within_s: float, on_prepared: Callable[[], object]) -> None:
        if self._tls is not None:
            self._connections.suspend()
            self._proxy_headers.suspend()
            self.responder.start_closing()
        self._preparation = Preparation(
            self.loop, self._connections, self.responder, within_s, on_prepared
        )

    def save(self) -> Handover:
        self._table.close()
        self._table = table = DescriptorTable()
        log = self.responder.access_log
        saved = SavedService(
            connections=tuple(
                connection.save(table)
                for connection in self._connections
                if isinstance(connection, Connection) and not connection.is_tls
            ),
            proxied=self._proxy_headers.save(table.position_of),
            log_entries=() if log is None else log.held,
        )
        return Handover(save_record(saved), table.descriptors)

    def resume(self) -> None:
        if self._preparation is not None:
            self._preparation.cancel()
            self._preparation = None
        self._table.close()
        self.responder.resume_log()
        if self._tls is not None:
            self._connections.resume()
            self._proxy_headers.resume()
            if not self._connections.is_draining:
                self.responder.stop_closing()

    def leave(self, within_s: float | None) -> None:
        """See HandoverService: connections under TLS are served to the end of their response."""
        self._connections.stop_listening()
        self._table.close()
        for connection in self._connections:
            if not connection.is_tls:
                connection.close()  # this process's copy of the socket
        self._proxy_headers.forget()
        self.responder.pass_on_log()
        self.drain(within_s, stopping=True)

    def load(self, state: dict[str, Any]) -> Attach:
        return partial(self._attach, load_record(SavedService, state))

    def counters(self) -> Counters:
        responder = self.responder
        totals = {
            "bytes_in": responder.bytes_in,
            "bytes_out": responder.bytes_out,
            "requests": responder.requests,
            "cache_hits": responder.cache_hits,
            "cache_rejected": responder.cache.rejected,
            "refused_requests": responder.refusals,
            "durations_us": responder.statistics.total_us,
            **{denial.value: self._context.denials[denial] for denial in Denial},
            "timeouts": responder.timeouts,
            "truncated": responder.truncated,
            "listings_cut": self._context.listings.cut,
            "proxy_protocol_failures": self._proxy_headers.failures,
            "handshake_failures": responder.handshake_failures,
            "log_lines_lost": responder.log_lines_lost,
            "handoffs": self._handoffs.handed_off,
            "refused_handoffs": self._handoffs.refused,
        }
        verifier = self._context.verifier
        moments = self._tls.moments if self._tls else {}
        own = Counters(totals, series=responder.statistics.series(), moments=moments)
        return self._connections.counters() + own + verifier.counters()

    def degraded(self) -> str:
        return self._connections.degraded() or self.responder.degraded()

    def on_closed(self, connection: Connection | Relay) -> None:
        self._connections.remove(connection)

    def hand_off(self, connection: Connection, fd: int, transport: Transport) -> bool:
        target, handoff = connection.describe_handoff()
        if connection.is_tls:
            return self._relay(connection, fd, transport)
        is_handed_off = self._handoffs.send(target.listener, handoff, fd)
        if is_handed_off:
            transport.close()
        return is_handed_off

    def _relay(self, connection: Connection, fd: int, transport: Transport) -> bool:
        """Hand off one end of a socket pair, and relay to the other one."""
        target, handoff = connection.describe_handoff()
        near, far = socket.socketpair()
        with far:
            record = replace(handoff, is_relayed=True)
            if not self._handoffs.send(target.listener, record, far.fileno()):
                near.close()
                return False
        relay = Relay(
            *(self.loop, fd, transport, near),
            on_bytes=self.responder.count_bytes,
            on_closed=self.on_closed,
        )
        self._connections.adopt(relay, connection.host)
        return True

    def _on_accept(self, sock: socket.socket, host: str, _listening: ListeningSocket) -> None:
        if self._proxies and host and is_within(host, self._proxies):
            self._proxy_headers.add(sock, host, self.responder.options.header_timeout)
        else:
            self._admit(sock, host)

    def _on_header(self, sock: socket.socket, client: ProxiedClient) -> None:
        self._admit(sock, client.host, has_secure_proxy=client.is_secure)

    def _admit(self, sock: socket.socket, host: str, *, has_secure_proxy: bool = False) -> None:
        if self._connections.admit(host) is not None:
            sock.close()
            self._stop_if_done()
            return
        fd = sock.fileno()
        transport = self._wrap(sock)
        if transport is None:
            self._connections.release(host)
            return
        connection = Connection(self, fd, transport, host, has_secure_proxy=has_secure_proxy)
        self._connections.add(connection, host)
        connection.start()

    def _wrap(self, sock: socket.socket) -> Transport | None:
        """Return the transport of a new connection, or close it if the peer has gone."""
        try:
            return self._tls.wrap(sock) if self._tls else PlainTransport(sock)
        except OSError:  # ssl calls getpeername(2), which fails then
            sock.close()
            return None

    def _attach(self, saved: SavedService, descriptors: Mapping[int, int]) -> None:
        if self.responder.access_log is not None:
            self.responder.access_log.take_over(saved.log_entries)
        arrived = ArrivedDescriptors(dict(descriptors))
        for connection in saved.connections:
            self._take_over(connection, arrived)
        for proxied in saved.proxied:
            if (fd := arrived.take(proxied.descriptor)) is not None:
                self._proxy_headers.take_over(adopt(fd), proxied)
        arrived.close()

    def _take_over(self, saved: SavedConnection, arrived: ArrivedDescriptors) -> None:
        fd = arrived.take(saved.descriptor)
        if fd is None:
            return
        unsent = arrived.take_parts(saved.unsent)
        sock = adopt(fd)
        is_new = saved.state is ConnectionState.HANDSHAKE  # no byte was read
        transport = self._wrap(sock) if is_new else PlainTransport(sock)
        if transport is None:
            return
        is_secure = saved.has_secure_proxy
        connection = Connection(self, fd, transport, saved.host, has_secure_proxy=is_secure)
        self._connections.adopt(connection, saved.host)
        if unsent is None:
            self.responder.truncated += 1
            connection.close()  # only this shows the peer that the content is incomplete
        else:
            connection.take_over(saved, unsent)

    def _start_sweep(self, options: HttpOptions) -> Timer:
        return self.loop.call_every(_sweep_period_s(options), self._close_late)

    def _close_late(self) -> None:
        now = self.loop.now
        late = [connection for connection in self._connections if connection.deadline < now]
        for connection in late:
            connection.on_deadline()
        self._proxy_headers.close_late(now)

    def _keep_up(self) -> None:
        self.responder.cache.make_room()
        if self._tls is not None:
            self._tls.refresh()

    def _update_date(self) -> None:
        self.responder.flush_log()
        self.loop.call_later(self.responder.update_date(), self._update_date)

    def _stop_if_done(self) -> None:
        if self._connections.is_drained and not self._proxy_headers:
            self.responder.close_log()
            self.loop.stop()


def _open_tls(options: Sequence[TlsOptions]) -> TlsContext:
    from netd.listeners.http.connection.tls_transport import TlsContext  # noqa: PLC0415 (imports OpenSSL)

    return TlsContext(options)


def _sweep_period_s(options: HttpOptions) -> float:
    """Return how often deadlines are checked: a quarter of the shortest timeout, at most 1 s."""
    shortest = min(
        *(options.header_timeout, options.keepalive_timeout),
        *(options.body_timeout, options.send_timeout),
    )
    return min(1.0, shortest / 4)
