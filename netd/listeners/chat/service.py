"""The chat listener: connections in, the room in the middle, bytes out."""

from __future__ import annotations

import logging
import socket
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from netd.config.address import Address
from netd.errors import BindError
from netd.listeners.chat.channel_state import Archive
from netd.listeners.chat.credentials_file import CredentialsFiles
from netd.listeners.chat.fanout import Fanout
from netd.listeners.chat.gatekeeper import Gatekeeper
from netd.listeners.chat.options import ChatOptions, ChatTlsOptions
from netd.listeners.chat.peer_credentials import user_of
from netd.listeners.chat.room.effect import (
    Broadcast,
    Close,
    Effect,
    Record,
    Rehash,
    SaveChannel,
    Send,
    Verify,
)
from netd.listeners.chat.room.member import Member, MemberState
from netd.listeners.chat.room.room import Room
from netd.listeners.chat.room_settings import settings_of
from netd.listeners.chat.session import Client
from netd.listeners.connection_set import ConnectionSet
from netd.listeners.counters import Counters
from netd.listeners.kind import Daemon, ListeningSocket, ReloadResult
from netd.listeners.password_verifier import PasswordVerifier
from netd.protocols.lines import Line
from netd.runtime.loop import Loop, Timer
from netd.runtime.poller import FD_SETSIZE, POLLERS, PollerFullError

if TYPE_CHECKING:
    from netd.listeners.certificate import Certificate

_LINGER_S: Final = 5.0  # for a member that does not read its farewell
_MIN_SWEEP_S, _MAX_SWEEP_S = 0.05, 1.0
_log = logging.getLogger("netd")


class ChatService:
    """One room and everybody connected to it."""

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
        self._certificate = _open_certificate(options.tls) if options.tls else None
        self._credentials = CredentialsFiles(options)
        self.loop = loop
        _check_watchable(options.poller, sockets)
        self._use_poller(options.poller)
        self.options = options
        self._daemon = daemon
        self.room = Room(
            settings_of(options, self._credentials), time.time(), f"{time.time_ns():x}-"
        )
        self._archive = Archive()
        self._archive.configure(options, None)
        self._archive.restore(self.room, options)
        self._verifier = PasswordVerifier(loop)
        self._fanout = Fanout(loop)
        self._clients: dict[Member, Client] = {}
        self._counts: Counter[str] = Counter()
        self._connections = ConnectionSet(
            loop, options, self._on_accept, close=Client.close, on_drained=self._stop
        )
        self._gatekeeper = Gatekeeper(self._connections)
        self._connections.listen(sockets)
        self._sweeping = self._schedule_sweeps()

    def reconfigure(self, options: ChatOptions, sockets: Sequence[ListeningSocket]) -> None:
        certificate = _open_certificate(options.tls) if options.tls else None
        credentials = CredentialsFiles(options)
        _check_watchable(options.poller, sockets)
        if options.poller != self.options.poller:
            self._use_poller(options.poller)
        self._certificate, self._credentials = certificate, credentials
        self._archive.configure(options, self.room)
        self.apply(self.room.configure(settings_of(options, credentials), time.time()))
        self.options = options
        for client in self._connections:
            client.reconfigure()
        self._connections.reconfigure(options, sockets)
        self._sweeping.cancel()
        self._sweeping = self._schedule_sweeps()

    def drain(self, within_s: float | None, *, stopping: bool) -> None:
        self._connections.drain(within_s)
        reason = "server shutting down" if stopping else "this service is no longer offered"
        self.apply(self.room.shut_down(reason, time.time()))

    def counters(self) -> Counters:
        streams = [client.stream for client in self._clients.values()]
        totals = {
            "bytes_in": self._counts["bytes_in"] + sum(each.bytes_in for each in streams),
            "bytes_out": self._counts["bytes_out"] + sum(each.bytes_out for each in streams),
            "history_lost": self._archive.lost,
            **{name: self._counts[name] for name in _COUNTED},
        }
        room = self.room.state
        gauges = {"members": len(room.members), "channels": len(room.channels)}
        figures = self._connections.counters() + self._gatekeeper.counters()
        return figures + Counters(totals, gauges)

    def handle(self, client: Client, line: Line) -> None:
        """Give the room a member's line and carry out what follows."""
        self._counts["lines"] += 1
        self.apply(self.room.receive(client.member, line, time.time()))

    def apply(self, effects: Iterable[Effect]) -> None:
        """Carry out what the room asks for."""
        for effect in effects:
            if isinstance(effect, Broadcast):
                self._fanout.add(effect)
            elif isinstance(effect, Send):
                self._fanout.send(effect.members, effect.data)
            else:
                self._apply_rare(effect)

    def say_goodbye(self, client: Client, reason: str) -> None:
        """The client has ended: the others are told, and it gets what is still to come."""
        if client.closing_since is None:
            self.apply(self.room.leave(client.member, reason, time.time()))
            self._finish(client, reason)

    def dismiss(self, client: Client, reason: str) -> None:
        """Put a client out, telling it and the others why."""
        if client.closing_since is None:
            self._counts[reason.lower().replace(" ", "_")] += 1
            self._fanout.flush()
            client.stream.write(f"ERROR :Closing link: ({reason})\r\n".encode())
            self.say_goodbye(client, reason)

    def on_closed(self, client: Client, why: str) -> None:
        """A client's connection is gone."""
        self._fanout.detach(client.member)
        del self._clients[client.member]
        self._counts["bytes_in"] += client.stream.bytes_in
        self._counts["bytes_out"] += client.stream.bytes_out
        is_cut = client.closing_since is None and client.stream.has_overflowed
        self._counts["send_queue_exceeded"] += is_cut
        self.apply(self.room.leave(client.member, why, time.time()))
        self._connections.remove(client)

    def _apply_rare(self, effect: Effect) -> None:
        match effect:
            case Close(member, reason):
                self._fanout.flush()
                if member in self._clients:
                    self._finish(self._clients[member], reason)
            case Verify(member, password, stored):
                self._verifier.verify(
                    password, stored, lambda right: self._on_verified(member, right=right)
                )
            case Record() | SaveChannel():
                self._archive.keep(effect)
            case Rehash(member):
                _log.info("chat: operator %s asked for a reload", member.oper)
                self._daemon.request_reload(partial(self._on_reloaded, member))

    def _on_reloaded(self, member: Member, result: ReloadResult) -> None:
        """Send an operator the outcome of the REHASH."""
        if member in self._clients:
            outcome = "reloaded" if result.ok else "reload refused, nothing changed"
            lines = result.detail.splitlines() or [""]
            notices = [f"{outcome}: {lines[0]}", *lines[1:]]
            self.apply(self.room.send_notices(member, notices, time.time()))

    def _on_verified(self, member: Member, *, right: bool) -> None:
        self.apply(self.room.verified(member, time.time(), right=right))
        client = self._clients.get(member)
        if client is not None:
            client.proceed()

    def _finish(self, client: Client, reason: str) -> None:
        if client.closing_since is None:
            client.closing_since = self.loop.now
            client.stream.finish(reason)

    def _on_accept(self, sock: socket.socket, host: str, listening: ListeningSocket) -> None:
        if not self._gatekeeper.admit(sock, host, self.loop.now, self.options):
            return
        certificate = self._certificate_for(listening.address)
        client = Client(self, sock, host, user_of(sock), certificate)
        self._clients[client.member] = client
        self._fanout.attach(client.member, client.stream)
        self._connections.add(client, host)
        self.room.enter(client.member)

    def _certificate_for(self, address: Address) -> Certificate | None:
        return self._certificate if self.options.is_tls(address) else None

    def _use_poller(self, name: str) -> None:
        try:
            self.loop.use_poller(POLLERS[name]())
        except PollerFullError as error:
            raise BindError(f"poller: {error}") from error

    def _schedule_sweeps(self) -> Timer:
        options = self.options
        shortest = min(options.ping_after, options.ping_timeout, options.registration_timeout)
        period_s = max(_MIN_SWEEP_S, min(_MAX_SWEEP_S, shortest / 4))
        return self.loop.call_every(period_s, self._sweep)

    def _sweep(self) -> None:
        if self._certificate is not None:
            self._certificate.refresh()
        if self._credentials.refresh():
            settings = settings_of(self.options, self._credentials)
            self.apply(self.room.configure(settings, time.time()))
        for client in self._connections:
            self._check(client)

    def _check(self, client: Client) -> None:
        now, options = self.loop.now, self.options
        if client.closing_since is not None:
            if now - client.closing_since > _LINGER_S:
                client.stream.close("did not read its farewell")
        elif client.member.state is MemberState.REGISTERING:
            if now - client.connected_at > options.registration_timeout:
                self.dismiss(client, "Registration timeout")
        elif client.pinged_at is not None:
            if now - client.pinged_at > options.ping_timeout:
                self.dismiss(client, "Ping timeout")
        elif now - client.heard_at > options.ping_after:
            client.pinged_at = now
            client.stream.write(f"PING :{self.room.state.settings.server_name}\r\n".encode())

    def _stop(self) -> None:
        self._archive.close()
        self.loop.stop()


_COUNTED: Final = (
    "lines",
    "send_queue_exceeded",
    "excess_flood",
    "ping_timeout",
    "registration_timeout",
)


def _check_watchable(poller: str, sockets: Sequence[ListeningSocket]) -> None:
    highest = max((listening.sock.fileno() for listening in sockets), default=0)
    if poller == "select" and highest >= FD_SETSIZE:
        raise BindError(f"poller: select watches descriptors below {FD_SETSIZE}, not {highest}")


def _open_certificate(options: ChatTlsOptions) -> Certificate:
    from netd.listeners.certificate import Certificate  # noqa: PLC0415 (OpenSSL, where it is used)

    return Certificate(options, client_ca=options.client_ca)
