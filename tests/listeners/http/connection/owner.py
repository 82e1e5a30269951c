"""The owner of a connection in a test: a loop with the test's clock, and a responder."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, ClassVar

from netd.config.address import Address
from netd.listeners.http.connection.connection import Connection
from netd.listeners.http.connection.handoff_sender import HandoffSender
from netd.listeners.http.connection.hook_caller import HookCaller
from netd.listeners.http.connection.transport import Transport
from netd.listeners.http.files.compressions import Compressions
from netd.listeners.http.files.listings import Listings
from netd.listeners.http.options import HttpOptions
from netd.listeners.http.response.responder import Responder
from netd.listeners.http.response.response_cache import CachedResponse, CacheKey
from netd.listeners.http.route_options import RouteOptions
from netd.listeners.http.routes.daemon_status import DaemonStatus
from netd.listeners.http.routes.worker_context import WorkerContext
from netd.listeners.kind import ReloadResult
from netd.listeners.logins.password_verifier import PasswordVerifier
from netd.runtime.bounded_log import BoundedLog
from netd.runtime.loop import Loop
from netd.runtime.poller import EpollPoller


class CountingResponder(Responder):
    """A responder that counts its look-ups in the cache."""

    lookups = 0

    def lookup(self, key: CacheKey) -> CachedResponse | None:
        self.lookups += 1
        return super().lookup(key)


class Owner:
    """The service of one connection."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.loop = Loop(EpollPoller(), clock)
        address = Address.parse("tcp://127.0.0.1:0")
        options = HttpOptions(address=(address,), routes=(RouteOptions(path="/", text="x"),))
        daemon = DaemonStatus(self.loop, UnusedDaemon())
        hooks = HookCaller(self.loop, HandoffSender({})).call
        verifier = PasswordVerifier(self.loop, options)
        refused, compressions = BoundedLog(self.loop, ""), Compressions(self.loop)
        listings = Listings(self.loop)
        context = WorkerContext(daemon, verifier, listings, compressions, hooks, clock, refused)
        self.counting = CountingResponder(options, context)
        self.responder: Responder = self.counting

    def on_closed(self, connection: Connection) -> None:
        """Ignore the end."""

    def hand_off(self, connection: Connection, fd: int, transport: Transport) -> bool:
        raise AssertionError((connection, fd, transport))


class UnusedDaemon:
    """A daemon whose status is never requested."""

    datagram_names: frozenset[int | str] = frozenset()
    handoff_queues: ClassVar[dict[str, socket.socket]] = {}
    gets_handoffs = False
    worker_number = 0

    def request_status(self, on_status: Callable[[dict[str, Any]], object]) -> None:
        raise AssertionError(on_status)

    def request_reload(self, on_result: Callable[[ReloadResult], object]) -> None:
        raise AssertionError(on_result)
