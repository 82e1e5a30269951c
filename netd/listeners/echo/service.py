"""The echo service: a pool of slots for its stream sockets, replies on its datagram sockets.

The worker process serves no connection itself, so no peer can block its link to the supervisor.
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

from netd.listeners.admission import ConnectionLimits
from netd.listeners.counters import Counters
from netd.listeners.echo.datagram import COUNTERS, DatagramEcho
from netd.listeners.echo.options import Concurrency, EchoOptions
from netd.listeners.echo.pool import Pool
from netd.listeners.echo.scoreboard import Column, Scoreboard, SlotState
from netd.listeners.echo.timeouts import Sample, Timeouts
from netd.listeners.kind import Daemon, ListeningSocket
from netd.runtime.loop import Loop

_TIMEOUT_CHECK_PERIOD_S = 0.5
_KILL_TIMEOUT_S = 1.0


class EchoService:
    """The service of an echo worker."""

    def __init__(
        self,
        loop: Loop,
        options: EchoOptions,
        sockets: Sequence[ListeningSocket],
        daemon: Daemon,
    ) -> None:
        self._loop = loop
        self._options = options
        self._own_names = daemon.datagram_names
        self._scoreboard = Scoreboard()
        self._pools: list[Pool] = []  # the present pool, and retired ones with open connections
        # pools on sockets that are no longer configured, and the retired pools of those sockets
        self._dropped: list[tuple[Pool, Pool]] = []
        self._datagrams: list[DatagramEcho] = []
        self._counts = Counter(dict.fromkeys(COUNTERS, 0))
        self._timeouts = Timeouts()
        self._is_draining = False
        # Ignored, so that a signal does not kill a forked slot before it has set its handlers.
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        gc.collect()
        gc.freeze()  # the collector then writes to no page that forked slots share
        loop.call_every(_TIMEOUT_CHECK_PERIOD_S, self._close_expired)
        self._pool = self._add_pool(_streams(sockets))
        self._replace_datagrams(sockets)

    def reconfigure(self, options: EchoOptions, sockets: Sequence[ListeningSocket]) -> None:
        streams = _streams(sockets)
        self._options = options
        self._retire_pool(kept={_identity(sock) for sock in streams})
        self._pool = self._add_pool(streams)
        self._replace_datagrams(sockets)

    def release_sockets(self) -> None:
        dropped, self._dropped = self._dropped, []
        for pool, retired in dropped:
            pool.drain(after=retired)

    def drain(self, within_s: float | None, *, stopping: bool) -> None:  # noqa: ARG002 (no echo connection counts as idle)
        self._is_draining = True
        for pool in self._pools:
            pool.drain()
        self._replace_datagrams([])
        if within_s is not None:
            self._loop.call_later(within_s, self._kill)
        self._stop_if_drained()

    def counters(self) -> Counters:
        scoreboard, counts = self._scoreboard, self._counts
        denied = sum(scoreboard.column(Column.DENIED))
        address_full = sum(scoreboard.column(Column.ADDRESS_FULL))
        totals = {
            **counts,
            **scoreboard.counts,
            "accepted": sum(scoreboard.column(Column.ACCEPTED)),
            "refused": denied + address_full + scoreboard.counts["refused_full"],
            "refused_denied": denied,
            "refused_address_full": address_full,
            "bytes_in": sum(scoreboard.column(Column.BYTES_IN)) + counts["bytes_in"],
            "bytes_out": sum(scoreboard.column(Column.BYTES_OUT)) + counts["bytes_out"],
            "reset": sum(scoreboard.column(Column.RESET)),
            "accept_failures": scoreboard.accept_failures(),
        }
        return Counters(totals, {"connections": scoreboard.count(SlotState.BUSY)})

    def degraded(self) -> str:
        return self._pool.degraded()

    def _retire_pool(self, kept: set[int]) -> None:
        """Retire the present pool; a small one serves those of its sockets that are not kept."""
        dropped = [sock.dup() for sock in self._pool.sockets if _identity(sock) not in kept]
        self._pool.retire()
        if dropped:
            self._dropped.append((self._add_pool(dropped, spare=1), self._pool))

    def _add_pool(self, sockets: Sequence[socket.socket], spare: int = 0) -> Pool:
        options = replace(self._options, spare=spare) if spare else self._options
        pool = Pool(self._loop, self._scoreboard, options, sockets, self._on_pool_ended)
        self._pools.append(pool)
        return pool

    def _on_pool_ended(self, pool: Pool) -> None:
        self._pools.remove(pool)
        self._stop_if_drained()

    def _stop_if_drained(self) -> None:
        if self._is_draining and not self._pools:
            self._loop.stop()

    def _kill(self) -> None:
        for pool in list(self._pools):
            pool.kill()
        # A thread that does not end in time ends with the process.
        self._loop.call_later(_KILL_TIMEOUT_S, self._loop.stop)

    def _replace_datagrams(self, sockets: Sequence[ListeningSocket]) -> None:
        for datagram in self._datagrams:
            datagram.close()
        limits, tag = ConnectionLimits(self._options), self._datagram_tag(self._options)
        self._datagrams = [
            DatagramEcho(
                self._loop,
                listening,
                limits,
                tag=tag,
                own_names=self._own_names,
                counts=self._counts,
            )
            for listening in sockets
            if not listening.address.scheme.is_stream
        ]

    def _datagram_tag(self, options: EchoOptions) -> bytes:
        if not options.tag:
            return b""
        forked = options.concurrency is Concurrency.FORK
        return f"{os.getpid() if forked else threading.current_thread().name}: ".encode()

    def _close_expired(self) -> None:
        options, scoreboard = self._options, self._scoreboard
        if not (options.idle_timeout or options.connection_timeout):
            return
        expired = self._timeouts.find_expired(
            _samples(scoreboard), self._loop.now, options.idle_timeout, options.connection_timeout
        )
        for sample in expired:
            row = scoreboard.row(sample.index)
            if row[Column.EXPIRED] != sample.number:
                scoreboard.counts["timed_out"] += 1
            row[Column.EXPIRED] = sample.number
            is_hung = self._timeouts.is_overdue(sample, self._loop.now)
            for pool in self._pools:
                (pool.kill_hung if is_hung else pool.close_expired)(sample.index)


def _streams(sockets: Sequence[ListeningSocket]) -> list[socket.socket]:
    return [listening.sock for listening in sockets if listening.address.scheme.is_stream]


def _samples(scoreboard: Scoreboard) -> list[Sample]:
    numbers = scoreboard.column(Column.ACCEPTED)
    received, sent = scoreboard.column(Column.BYTES_IN), scoreboard.column(Column.BYTES_OUT)
    return [Sample(i, numbers[i], received[i] + sent[i]) for i in scoreboard.busy()]


def _identity(sock: socket.socket) -> int:
    """Return the inode, which all descriptors of one socket share."""
    return os.fstat(sock.fileno()).st_ino
