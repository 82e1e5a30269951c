"""Admits connections or refuses them, and sends a refused client the reason.

A connection passes three checks: the rate of its source address, the limits that all kinds of
listeners share (`admission`), and the descriptors that select(2) can watch.
"""

from __future__ import annotations

import contextlib
import socket
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final

from netd.listeners.admission import Refusal, is_within
from netd.listeners.chat.options import ChatOptions
from netd.listeners.connection_set import ConnectionSet
from netd.listeners.counters import Counters
from netd.protocols.host_port import source_of
from netd.protocols.record import Field, load_list, load_text
from netd.protocols.token_bucket import BUCKET, TokenBucket
from netd.runtime.poller import FD_SETSIZE

MAX_SOURCES: Final = 10_000
_UNREAD_BYTES: Final = 65536
_MAX_DESCRIPTORS: Final = FD_SETSIZE - 12  # with select; a reload opens sockets with the others
_ROOM_DESCRIPTOR: Final = _MAX_DESCRIPTORS - 4  # from here on, sessions make room for more
_TOO_OFTEN: Final = "too many connections from your address in a short time, try again later"
FULL: Final = "the server is full"
_REASONS: Final = {
    Refusal.FULL: FULL,
    Refusal.ADDRESS_FULL: "too many connections from your address",
    Refusal.DENIED: "you may not connect",
}


Refuse = Callable[[socket.socket, str], object]
"""Sends a client the reason, and closes its socket."""


class Gatekeeper:
    """Decides on the connections of one listener, and counts those that it refuses."""

    def __init__(self, connections: ConnectionSet[Any]) -> None:
        self._connections = connections
        self._throttle = ConnectThrottle()
        self._too_often = 0
        self._poller_full = 0

    def save(self) -> list[list[Any]]:
        """The recent connections of each source address, as plain data."""
        return self._throttle.save()

    def load(self, throttle: Mapping[object, TokenBucket]) -> None:
        """Continue to count the connections of source addresses."""
        self._throttle.load(throttle)

    def admit(
        self,
        sock: socket.socket,
        host: str,
        now: float,
        options: ChatOptions,
        refuse_with: Refuse | None = None,
    ) -> bool:
        """Admit a connection, as `ConnectionSet.admit` does; else send the reason and close it."""
        reason = self._refusal(sock, host, now, options)
        if reason:
            (refuse_with or refuse)(sock, reason)
        return not reason

    def may_wait(self, sock: socket.socket, options: ChatOptions) -> bool:
        """Whether a connection can wait for its proxy's header; else close its socket."""
        is_full = options.poller == "select" and sock.fileno() >= _MAX_DESCRIPTORS
        if is_full:
            self._poller_full += 1
            refuse(sock, FULL)
        return not is_full

    def counters(self) -> Counters:
        """The connections refused here, as a part of all that are refused; and poller_full."""
        return Counters(
            {
                "refused": self._too_often,
                "refused_too_often": self._too_often,
                "poller_full": self._poller_full,
            }
        )

    def _refusal(self, sock: socket.socket, host: str, now: float, options: ChatOptions) -> str:
        """The reason for refusing a connection; empty if it is admitted."""
        if not self._throttle.admits(host, now, options):
            self._too_often += 1
            return _TOO_OFTEN
        refusal = self._connections.admit(host)
        if refusal is not None:
            return _REASONS[refusal]
        if options.poller == "select" and sock.fileno() >= _ROOM_DESCRIPTOR:
            self._connections.make_room("select(2) can watch no more descriptors")
            if sock.fileno() >= _MAX_DESCRIPTORS:
                self._connections.release(host)
                self._poller_full += 1
                return FULL
        return ""


class ConnectThrottle:
    """Limits how often a source address may connect: a token bucket for each address.

    At most `MAX_SOURCES` addresses are remembered. The address that connected least recently is
    forgotten first; it then starts with a full bucket again.
    """

    def __init__(self) -> None:
        self._buckets: OrderedDict[object, TokenBucket] = OrderedDict()

    def admits(self, host: str, now: float, options: ChatOptions) -> bool:
        """Take a token of the address. True without a limit, and on Unix sockets (no host)."""
        if not (host and options.connect_rate) or is_within(host, options.connect_exempt):
            return True
        source = source_of(host)
        bucket = self._buckets.pop(source, None) or TokenBucket(now, options.connect_burst)
        self._buckets[source] = bucket
        if len(self._buckets) > MAX_SOURCES:
            self._buckets.popitem(last=False)
        return bucket.take(now, options.connect_rate, options.connect_burst)

    def save(self) -> list[list[Any]]:
        """The buckets as plain data."""
        return [[source, BUCKET.save(bucket)] for source, bucket in self._buckets.items()]

    def load(self, buckets: Mapping[object, TokenBucket]) -> None:
        """Add saved buckets."""
        self._buckets.update(buckets)


def _load_bucket(data: object) -> tuple[int | str, TokenBucket]:
    source, saved = load_list(data)
    return source if type(source) is int else load_text(source), _BUCKET.load(saved)


_BUCKET: Final = BUCKET.as_field(lambda: TokenBucket(0.0, 0.0))
THROTTLE: Final = Field(lambda data: dict(map(_load_bucket, load_list(data))))
"""Checks what `Gatekeeper.save` returns, and makes a dict of it."""


def refuse(sock: socket.socket, reason: str) -> None:
    """Send the reason, if the socket takes it at once, and close."""
    with contextlib.suppress(OSError):
        sock.send(f"ERROR :Closing link: ({reason})\r\n".encode())
        sock.recv(_UNREAD_BYTES)  # the close would reset the connection because of unread bytes
    sock.close()
