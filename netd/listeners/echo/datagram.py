"""Replies to each datagram with one, to its source, from the address that it was sent to.

A UDP source address can be forged. Therefore, other than in RFC 862, datagrams that could cause a
loop or multiply an attacker's traffic get no reply: from the ports of services that reply to
anything, from the daemon's own sockets, from port 0, and broadcast or multicast datagrams.
"""

from __future__ import annotations

import contextlib
import socket
from collections import Counter
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from typing import Any, Final

from netd.config.address import Scheme
from netd.listeners.admission import ConnectionLimits
from netd.listeners.kind import ListeningSocket
from netd.runtime.loop import Loop
from netd.runtime.poller import READ

MAX_DATAGRAM_BYTES: Final = 2**18  # more than the default SO_SNDBUF, the limit of a Unix datagram
_PER_TURN: Final = 256
# echo, discard, daytime, qotd, chargen: two such services would reply to each other endlessly
_LOOP_PORTS: Final = frozenset({0, 7, 13, 17, 19})
COUNTERS: Final = (
    "bytes_in",
    "bytes_out",
    "datagrams_in",
    "datagrams_out",
    "datagrams_refused",  # no absolute path to reply to, a port that could loop, a denied network
    "datagrams_truncated",
    "datagrams_undelivered",
)
_IP_PKTINFO: Final = 8  # ip(7); not in the socket module
_IPV6_MULTICAST: Final = 0xFF
_PKTINFO_BYTES: Final = socket.CMSG_SPACE(20)  # struct in6_pktinfo, the larger of the two


class DatagramEcho:
    """One datagram socket on the loop.

    `counts` (COUNTERS) is shared by the listener's datagram sockets. `own_names` are the UDP ports
    and the paths of the daemon's datagram sockets, a set that is kept up to date. Datagrams from
    them get no reply, since two of the sockets would reply to each other endlessly.
    """

    def __init__(  # noqa: PLR0913 (all are needed)
        self,
        loop: Loop,
        listening: ListeningSocket,
        limits: ConnectionLimits,
        *,
        tag: bytes,
        own_names: AbstractSet[int | str],
        counts: Counter[str],
    ) -> None:
        self._loop = loop
        self._sock = listening.sock
        self._sources = limits.sources
        self._counts = counts
        self._buffer = bytearray(MAX_DATAGRAM_BYTES)
        self._own_names = own_names
        if listening.address.scheme is Scheme.UNIXGRAM:
            self._tag = tag
            self._may_reply: Callable[[Any], bool] = self._may_reply_to_path
        else:
            self._tag = b""
            self._may_reply = (
                self._may_reply_to_port if limits.sources.is_any else self._may_reply_to_host
            )
        self._reply_batch = (
            self._reply_by_destination if _enable_pktinfo(self._sock) else self._reply_plainly
        )
        loop.watch(self._sock.fileno(), READ, self._on_readable)

    def close(self) -> None:
        """Reply to the datagrams that wait, then close."""
        self._on_readable(READ)
        self._loop.unwatch(self._sock.fileno())
        self._sock.close()

    def _on_readable(self, _mask: int) -> None:
        counts = self._counts
        received: list[int] = []
        sent: list[int] = []
        with memoryview(self._buffer) as view, contextlib.suppress(BlockingIOError):
            self._reply_batch(view, received, sent)
        counts["datagrams_in"] += len(received)
        counts["bytes_in"] += sum(received)
        counts["datagrams_out"] += len(sent)
        counts["bytes_out"] += sum(sent)

    def _reply_plainly(self, view: memoryview, received: list[int], sent: list[int]) -> None:
        receive, send, tag = self._sock.recvfrom_into, self._sock.sendto, self._tag
        may_reply = self._may_reply
        for _ in range(_PER_TURN):
            size, peer = receive(view, 0, socket.MSG_TRUNC)
            received.append(size)
            if size > MAX_DATAGRAM_BYTES or not may_reply(peer):
                self._refuse(size)
                continue
            data = view[:size]
            try:
                sent.append(send(tag + data if tag else data, peer))
            except OSError:  # of this peer's address or network; the other peers get their replies
                self._counts["datagrams_undelivered"] += 1

    def _reply_by_destination(self, view: memoryview, received: list[int], sent: list[int]) -> None:
        receive, send, may_reply = (
            self._sock.recvmsg_into,
            self._sock.sendmsg,
            self._may_reply,
        )
        into = [view]
        for _ in range(_PER_TURN):
            size, ancillary, _, peer = receive(into, _PKTINFO_BYTES)
            received.append(size)
            if not may_reply(peer) or _is_broadcast(ancillary):
                self._refuse(size)
                continue
            try:  # the same ancillary data sets the source address of the reply
                sent.append(send([view[:size]], ancillary, 0, peer))
            except OSError:
                self._counts["datagrams_undelivered"] += 1

    def _refuse(self, size: int) -> None:
        too_large = size > MAX_DATAGRAM_BYTES
        self._counts["datagrams_truncated" if too_large else "datagrams_refused"] += 1

    def _may_reply_to_path(self, peer: str | bytes) -> bool:
        """An absolute path or an abstract name; a relative one depends on the peer's directory."""
        return bool(peer) and peer[:1] in ("/", b"\0") and peer not in self._own_names

    def _may_reply_to_port(self, peer: tuple[str, int]) -> bool:
        return peer[1] not in _LOOP_PORTS and peer[1] not in self._own_names

    def _may_reply_to_host(self, peer: tuple[str, int]) -> bool:
        return self._may_reply_to_port(peer) and self._sources.permits(peer[0])


def _enable_pktinfo(sock: socket.socket) -> bool:
    """Enable the report of destinations (IP_PKTINFO); False if no wildcard is bound."""
    name = sock.getsockname()
    if sock.family == socket.AF_INET and name[0] == "0.0.0.0":  # noqa: S104 (compared, not bound)
        sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    elif sock.family == socket.AF_INET6 and name[0] == "::":
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    else:
        return False
    return True


def _is_broadcast(ancillary: Iterable[tuple[int, int, bytes]]) -> bool:
    """Whether a datagram was broadcast or multicast."""
    for level, _, data in ancillary:
        if level == socket.IPPROTO_IP and data[4:8] != data[8:12]:  # ipi_spec_dst, ipi_addr
            return True
        if level == socket.IPPROTO_IPV6 and data[0] == _IPV6_MULTICAST:
            return True
    return False
