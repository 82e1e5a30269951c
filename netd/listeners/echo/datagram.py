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
        loop.watch(self._sock.fileno(), READ, self._on_readable)

    def close(self) -> None:
        """Answer what waits, then close."""
        self._on_readable(READ)
        self._loop.forget(self._sock.fileno())
        self._sock.close()

    def _on_readable(self, _mask: int) -> None:
        counts, buffer, receive = self._counts, self._buffer, self._sock.recvfrom_into
        with memoryview(buffer) as view:
            for _ in range(_PER_TURN):
                try:
                    size, peer = receive(buffer, 0, socket.MSG_TRUNC)
                except BlockingIOError:
                    return
                counts["datagrams_in"] += 1
                counts["bytes_in"] += size
                if size > MAX_DATAGRAM_BYTES:
                    counts["datagrams_truncated"] += 1
                elif not self._is_answerable(peer):
                    counts["datagrams_refused"] += 1
                else:
                    self._answer(view[:size], peer)

    def _answer(self, data: memoryview, peer: tuple[str, int] | str | bytes) -> None:
        try:
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
