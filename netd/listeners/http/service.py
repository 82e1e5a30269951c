"""A worker's HTTP service: accepts, keeps the connections, sweeps the late ones, drains."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from netd.listeners.admission import is_within
from netd.listeners.connection_set import ConnectionSet
from netd.listeners.counters import Counters
from netd.listeners.http.connection.connection import FRESH_S, Connection
from netd.listeners.http.connection.proxy_protocol import Introductions
from netd.listeners.http.connection.transport import PlainTransport
from netd.listeners.http.options import HttpOptions
from netd.listeners.http.response.responder import Responder
from netd.listeners.http.routes.daemon_status import DaemonStatus
from netd.listeners.http.routes.route_auth import REASONS
from netd.listeners.http.routes.router import WorkerContext
from netd.listeners.kind import Daemon, ListeningSocket
from netd.listeners.password_verifier import PasswordVerifier
from netd.listeners.tls_options import TlsOptions
from netd.runtime.loop import Loop, Timer

if TYPE_CHECKING:
    from netd.listeners.http.connection.tls_transport import TlsContext

_UPKEEP_S: Final = 5.0


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
        self._gate = _open_gate(options.tls) if options.tls else None
        self.loop = loop
        self._connections = ConnectionSet(
            loop, options, self._on_accept, close=Connection.close, on_drained=self._stop_if_done
        )
        self._introductions = Introductions(loop, self._admit, self._stop_if_done)
        self._proxies = options.proxy_protocol_from
        self._means = WorkerContext(DaemonStatus(loop, daemon), PasswordVerifier(loop))
        self.server = Responder(options, self._means)
        self._tick_date()
        loop.call_every(_UPKEEP_S, self._keep_up)
        self._sweep = self._start_sweep(options)
        self._connections.listen(sockets)

    def reconfigure(self, options: HttpOptions, sockets: Sequence[ListeningSocket]) -> None:
        self._gate = _open_gate(options.tls) if options.tls else None
        self._proxies = options.proxy_protocol_from
        self.server.configure(options)
        self._sweep.cancel()
        self._sweep = self._start_sweep(options)
        self._connections.reconfigure(options, sockets)

    def drain(self, within_s: float | None, *, stopping: bool) -> None:
        self.server.is_closing = True
        self.server.forget_ready()
        self._connections.drain(within_s)
        if within_s is not None:
            self.loop.call_later(within_s, self._introductions.close)
        if stopping:
            for connection in self._connections:
                connection.wind_up()
            self._introductions.hurry(FRESH_S)

    def counters(self) -> Counters:
        server = self.server
        totals = {
            "bytes_in": server.bytes_in,
            "bytes_out": server.bytes_out,
            "requests": server.requests,
            "ready_hits": server.ready_hits,
            "ready_turned_away": server.cache.turned_away,
            "refused_requests": server.refusals,
            **{reason: self._means.tally[reason] for reason in REASONS},
            "timeouts": server.timeouts,
            "truncated": server.truncated,
            "introduction_failures": self._introductions.failures,
            "handshake_failures": server.handshake_failures,
            "log_lines_lost": server.access_log.lost if server.access_log else 0,
        }
        return self._connections.counters() + Counters(totals)

    def on_closed(self, connection: Connection) -> None:
        self._connections.remove(connection)

    def _on_accept(self, sock: socket.socket, host: str, _listening: ListeningSocket) -> None:
        if self._proxies and host and is_within(host, self._proxies):
            self._introductions.await_from(sock, host, self.server.options.header_timeout)
        else:
            self._admit(sock, host)

    def _admit(self, sock: socket.socket, host: str) -> None:
        if self._connections.admit(host) is not None:
            sock.close()
            self._stop_if_done()
            return
        fd = sock.fileno()
        try:
            transport = self._gate.secure(sock) if self._gate else PlainTransport(sock)
        except OSError:  # wrapping asks who the peer is, and it has gone
            sock.close()
            self._connections.release(host)
            return
        connection = Connection(self, fd, transport, host)
        self._connections.add(connection, host)
        connection.start()

    def _start_sweep(self, options: HttpOptions) -> Timer:
        return self.loop.call_every(_sweep_period_s(options), self._sweep_late)

    def _sweep_late(self) -> None:
        now = self.loop.now
        for connection in [each for each in self._connections if each.deadline < now]:
            connection.expire()
        self._introductions.expire(now)

    def _keep_up(self) -> None:
        self.server.cache.age()
        if self._gate is not None:
            self._gate.refresh()

    def _tick_date(self) -> None:
        self.server.flush_log()
        self.loop.call_later(self.server.tick_date(), self._tick_date)

    def _stop_if_done(self) -> None:
        if self._connections.is_drained and not self._introductions:
            self.server.flush_log()
            self.loop.stop()


def _open_gate(options: TlsOptions) -> TlsContext:
    from netd.listeners.http.connection.tls_transport import TlsContext  # noqa: PLC0415 (OpenSSL, for those who use it)

    return TlsContext(options)


def _sweep_period_s(options: HttpOptions) -> float:
    """A quarter of the shortest timeout, once a second at most."""
    shortest = min(
        *(options.header_timeout, options.keepalive_timeout),
        *(options.body_timeout, options.send_timeout),
    )
    return min(1.0, shortest / 4)
