"""The parts of a worker that its routes use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from netd.listeners.http.files.compressions import Compressions
from netd.listeners.http.files.listings import Listings
from netd.listeners.http.routes.daemon_status import DaemonStatus
from netd.listeners.http.routes.route_auth import Denial
from netd.listeners.logins.password_verifier import PasswordVerifier
from netd.protocols.hook import HookReply, HookRequest
from netd.runtime.bounded_log import BoundedLog

CallHook = Callable[[str, HookRequest, Callable[[HookReply], object]], object]
"""Passes a request on to a chat listener, and calls back with the outcome, in a later turn."""


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """A reload replaces the routes, not these parts."""

    daemon: DaemonStatus
    verifier: PasswordVerifier
    listings: Listings
    compressions: Compressions
    call_hook: CallHook
    clock: Callable[[], float]
    """The present time of the loop, in seconds."""
    refusal_log: BoundedLog
    denials: Counter[Denial] = field(default_factory=Counter)
