"""Answers datagrams: one for one, to where it came from, from where it was sent to.

UDP's source address can be forged, so what could feed a loop or an attack is not answered
(RFC 862 on its own would): source ports of services that answer anything, our own, and 0.
"""

from __future__ import annotations

import errno
import socket
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from netd.config.address import Scheme
from netd.listeners.admission import Limits
from netd.listeners.base import ListeningSocket
from netd.runtime.loop import Loop
from netd.runtime.poller import READ

MAX_DATAGRAM_BYTES: Final = 2**18  # above SO_SNDBUF's default, which bounds a Unix datagram
_PER_TURN: Final = 256
# echo, discard, daytime, qotd, chargen: each answers, so two of them would talk for ever
_LOOP_PORTS: Final = frozenset({0, 7, 13, 17, 19})
COUNTERS: Final = (
    "bytes_in",
    "bytes_out",
    "datagrams_in",
    "datagrams_out",
    "datagrams_refused",  # no name to answer to, a port that could loop, a denied network
    "datagrams_truncated",
    "datagrams_undelivered",
)
_IP_PKTINFO: Final = 8  # ip(7); the socket module does not name it
_IPV6_MULTICAST: Final = 0xFF
_PKTINFO_BYTES: Final = socket.CMSG_SPACE(20)  # struct in6_pktinfo, the larger of the two
_UNDELIVERED = frozenset(
    {
        errno.EAGAIN,  # the peer's queue is full
        errno.ECONNREFUSED,  # it is gone
        errno.ENOENT,
        errno.ECONNRESET,
        errno.EPERM,  # a firewall's or a sandbox's no
        errno.EACCES,
        errno.EHOSTUNREACH,
        errno.ENETUNREACH,
        errno.ENETDOWN,
        errno.EMSGSIZE,
        errno.ENOBUFS,
        errno.EINVAL,
        errno.ENOTCONN,
    }
)


Ancillary = tuple[tuple[int, int, bytes], ...]


class DatagramEcho:
    """One datagram socket on the loop; `counts` is what all of a listener's share."""

    def __init__(
        self,
        loop: Loop,
        listening: ListeningSocket,
        limits: Limits,
        tag: bytes,
        counts: Counter[str],
    ) -> None:
        self._loop = loop
        self._sock = listening.sock
        self._limits = limits
        self._counts = counts
        self._buffer = bytearray(MAX_DATAGRAM_BYTES)
        self._name = self._sock.getsockname()
        if listening.address.scheme is Scheme.UNIXGRAM:
            self._tag = tag
            self._is_answerable: Callable[[Any], bool] = self._is_answerable_path
        else:
            self._tag = b""
            self._is_answerable = self._is_answerable_inet
            self._refused_ports = _LOOP_PORTS | {self._name[1]}
        self._receive = (
            self._receive_with_destination
            if _ask_destination(self._sock)
            else self._receive_plainly
        )
        loop.watch(self._sock.fileno(), READ, self._on_readable)

    def close(self) -> None:
        """Answer what waits, then close."""
        self._on_readable(READ)
        self._loop.forget(self._sock.fileno())
        self._sock.close()

    def _on_readable(self, _mask: int) -> None:
        counts, buffer, receive = self._counts, self._buffer, self._receive
        with memoryview(buffer) as view:
            for _ in range(_PER_TURN):
                try:
                    size, peer, ancillary = receive(buffer)
                except BlockingIOError:
                    return
                counts["datagrams_in"] += 1
                counts["bytes_in"] += size
                if size > MAX_DATAGRAM_BYTES:
                    counts["datagrams_truncated"] += 1
                elif not self._is_answerable(peer) or _is_to_many(ancillary):
                    counts["datagrams_refused"] += 1
                else:
                    self._answer(view[:size], peer, ancillary)

    def _receive_plainly(self, buffer: bytearray) -> tuple[int, Any, Ancillary]:
        return *self._sock.recvfrom_into(buffer, 0, socket.MSG_TRUNC), ()

    def _receive_with_destination(self, buffer: bytearray) -> tuple[int, Any, Ancillary]:
        size, ancillary, _, peer = self._sock.recvmsg_into(
            [buffer], _PKTINFO_BYTES, socket.MSG_TRUNC
        )
        return size, peer, tuple(ancillary)

    def _answer(
        self, data: memoryview, peer: tuple[str, int] | str | bytes, ancillary: Ancillary
    ) -> None:
        try:
            if ancillary:  # the same structure makes it leave from where it was sent to
                sent = self._sock.sendmsg([data], ancillary, 0, peer)
            else:
                sent = self._sock.sendto(self._tag + data if self._tag else data, peer)
        except OSError as error:
            if error.errno not in _UNDELIVERED:
                raise
            self._counts["datagrams_undelivered"] += 1
        else:
            self._counts["datagrams_out"] += 1
            self._counts["bytes_out"] += sent

    def _is_answerable_path(self, peer: str | bytes | None) -> bool:
        return bool(peer) and peer != self._name  # who has no name cannot be answered

    def _is_answerable_inet(self, peer: tuple[str, int]) -> bool:
        return peer[1] not in self._refused_ports and self._limits.permits(peer[0])


def _ask_destination(sock: socket.socket) -> bool:
    """Have a socket on every address tell to which one each datagram came; False for others."""
    name = sock.getsockname()
    if sock.family == socket.AF_INET and name[0] == "0.0.0.0":  # noqa: S104 (asked, not bound)
        sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    elif sock.family == socket.AF_INET6 and name[0] == "::":
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    else:
        return False
    return True


def _is_to_many(ancillary: Ancillary) -> bool:
    """Whether a datagram was broadcast or multicast, which would multiply a forger's traffic."""
    for level, _, data in ancillary:
        if level == socket.IPPROTO_IP and data[4:8] != data[8:12]:  # ipi_spec_dst, ipi_addr
            return True
        if level == socket.IPPROTO_IPV6 and data[0] == _IPV6_MULTICAST:
            return True
    return False
