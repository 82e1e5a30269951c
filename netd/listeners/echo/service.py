"""The echo worker: pools for its stream sockets, answers for its datagram sockets.

The worker itself serves no connection, so nothing a peer does can keep it from its link.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from netd.config.address import Scheme
from netd.listeners.admission import Limits
from netd.listeners.counters import Counters
from netd.listeners.echo.datagram import COUNTERS, DatagramEcho
from netd.listeners.echo.options import Concurrency, EchoOptions
from netd.listeners.echo.pool import Pool
from netd.listeners.echo.scoreboard import Column, Scoreboard, State
from netd.listeners.echo.timeouts import Sample, Timeouts
from netd.listeners.kind import Daemon, ListeningSocket
from netd.runtime.loop import Loop

_TIMEKEEPING_PERIOD_S = 0.5
_KILLED_WITHIN_S = 1.0


class EchoService:
    """What an echo worker does."""

    def __init__(
        self,
        loop: Loop,
        options: EchoOptions,
        sockets: Sequence[ListeningSocket],
        _daemon: Daemon,
    ) -> None:
        self._loop = loop
        self._options = options
        self._board = Scoreboard()
        self._pools: list[Pool] = []  # the present one, and those whose connections go on
        self._datagrams: list[DatagramEcho] = []
        self._counts = Counter(dict.fromkeys(COUNTERS, 0))
        self._timekeeper = Timeouts()
        self._is_draining = False
        # Ignored until a forked slot sets its handlers, so that none comes too early for it.
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        gc.collect()
        gc.freeze()  # forked slots share these pages for as long as nobody writes to them
        loop.call_every(_TIMEKEEPING_PERIOD_S, self._keep_time)
        self._pool = self._add_pool(_streams(sockets))  # serves by the present options
        self._replace_datagrams(sockets)

    def reconfigure(self, options: EchoOptions, sockets: Sequence[ListeningSocket]) -> None:
        streams = _streams(sockets)
        self._options = options
        self._retire_pool(kept={_identity(sock) for sock in streams})
        self._pool = self._add_pool(streams)
        self._replace_datagrams(sockets)

    def drain(self, within_s: float | None, *, stopping: bool) -> None:  # noqa: ARG002 (every connection is open work here)
        self._is_draining = True
        for pool in self._pools:
            pool.drain()
        self._replace_datagrams([])
        if within_s is not None:
            self._loop.call_later(within_s, self._kill)
        self._stop_if_over()

    def counters(self) -> Counters:
        board, counts = self._board, self._counts
        denied = sum(board.column(Column.DENIED))
        address_full = sum(board.column(Column.ADDRESS_FULL))
        totals = {
            **counts,
            **board.counts,
            "accepted": sum(board.column(Column.ACCEPTED)),
            "refused": denied + address_full + board.counts["refused_full"],
            "refused_denied": denied,
            "refused_address_full": address_full,
            "bytes_in": sum(board.column(Column.BYTES_IN)) + counts["bytes_in"],
            "bytes_out": sum(board.column(Column.BYTES_OUT)) + counts["bytes_out"],
            "reset": sum(board.column(Column.RESET)),
            "accept_failures": sum(board.column(Column.ACCEPT_FAILURES))
            + board.counts["accept_failures"],
        }
        return Counters(totals, {"connections": board.count(State.BUSY)})

    def _retire_pool(self, kept: set[int]) -> None:
        """Let the present pool go; others serve what waits on its sockets that are not kept."""
        dropped = [sock.dup() for sock in self._pool.sockets if _identity(sock) not in kept]
        self._pool.retire()
        if dropped:
            self._add_pool(dropped, spare=1).drain()

    def _add_pool(self, sockets: Sequence[socket.socket], spare: int = 0) -> Pool:
        options = replace(self._options, spare=spare) if spare else self._options
        pool = Pool(self._loop, self._board, options, sockets, self._on_pool_over)
        self._pools.append(pool)
        return pool

    def _on_pool_over(self, pool: Pool) -> None:
        self._pools.remove(pool)
        self._stop_if_over()

    def _stop_if_over(self) -> None:
        if self._is_draining and not self._pools:
            self._loop.stop()

    def _kill(self) -> None:
        for pool in list(self._pools):
            pool.kill()
        # A thread that does not notice dies with the process, so it is not waited for.
        self._loop.call_later(_KILLED_WITHIN_S, self._loop.stop)

    def _replace_datagrams(self, sockets: Sequence[ListeningSocket]) -> None:
        for each in self._datagrams:
            each.close()
        limits, tag = Limits(self._options), self._datagram_tag(self._options)
        udp = [each.sock for each in sockets if each.address.scheme is Scheme.UDP]
        ports = {sock.getsockname()[1] for sock in udp}
        self._datagrams = [
            DatagramEcho(self._loop, each, limits, tag=tag, own_ports=ports, counts=self._counts)
            for each in sockets
            if not each.address.scheme.is_stream
        ]

    def _datagram_tag(self, options: EchoOptions) -> bytes:
        if not options.tag:
            return b""
        forked = options.concurrency is Concurrency.FORK
        return f"{os.getpid() if forked else threading.current_thread().name}: ".encode()

    def _keep_time(self) -> None:
        options, board = self._options, self._board
        if not (options.idle_timeout or options.connection_timeout):
            return
        late = self._timekeeper.judge(
            _sights(board), self._loop.now, options.idle_timeout, options.connection_timeout
        )
        for each in late:
            row = board.row(each.index)
            if row[Column.CUT] != each.number:
                board.counts["timed_out"] += 1
            row[Column.CUT] = each.number
            for pool in self._pools:
                pool.cut(each.index)


def _streams(sockets: Sequence[ListeningSocket]) -> list[socket.socket]:
    return [each.sock for each in sockets if each.address.scheme.is_stream]


def _sights(board: Scoreboard) -> list[Sample]:
    numbers = board.column(Column.ACCEPTED)
    received, sent = board.column(Column.BYTES_IN), board.column(Column.BYTES_OUT)
    return [Sample(i, numbers[i], received[i] + sent[i]) for i in board.busy()]


def _identity(sock: socket.socket) -> int:
    """What all descriptors of one socket have in common."""
    return os.fstat(sock.fileno()).st_ino
