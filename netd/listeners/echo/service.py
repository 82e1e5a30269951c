"""The echo service: a pool of slots for its stream sockets, replies on its datagram sockets.

The worker process serves no connection itself, so no peer can block its link to the supervisor.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from netd.errors import StateError
from netd.listeners.admission import ConnectionLimits
from netd.listeners.counters import Counters
from netd.listeners.echo import paused_connection
from netd.listeners.echo.collector import Collector
from netd.listeners.echo.connection_slots import ConnectionSlots
from netd.listeners.echo.datagram import COUNTERS, DatagramEcho
from netd.listeners.echo.mailbox import Delivery, Mailbox
from netd.listeners.echo.options import Concurrency, EchoOptions
from netd.listeners.echo.paused_connection import PausedConnection, SavedConnection
from netd.listeners.echo.pool import Pool
from netd.listeners.echo.runner import INTERRUPT
from netd.listeners.echo.scoreboard import Column, Scoreboard, SlotState
from netd.listeners.echo.slot_set import SlotContext, SlotSet
from netd.listeners.echo.timeouts import Sample, Timeouts
from netd.listeners.kind import Attach, Daemon, Handover, ListeningSocket
from netd.runtime.descriptors import close_all
from netd.runtime.loop import Loop
from netd.runtime.poller import READ

_TIMEOUT_CHECK_PERIOD_S = 0.5
_KILL_TIMEOUT_S = 1.0

_log = logging.getLogger("netd")


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
        mailbox = Mailbox(self._on_delivery)
        loop.watch(mailbox.inlet.fileno(), READ, lambda _mask: mailbox.deliver())
        self._context = SlotContext(loop, self._scoreboard, mailbox, self._serve)
        self._connection_slots = ConnectionSlots(
            self._context, options, self._timeouts, self._stop_if_drained
        )
        self._collector = Collector(loop, self._scoreboard, self._slot_sets)
        _set_signal_handlers()
        gc.collect()
        gc.freeze()  # the collector then writes to no page that forked slots share
        loop.call_every(_TIMEOUT_CHECK_PERIOD_S, self._close_expired)
        self._pool = self._add_pool(_streams(sockets))
        # Not now: a process that takes over from another one accepts nothing before its loop turns.
        loop.call_next_turn(self._pool.start)
        self._replace_datagrams(sockets)

    def reconfigure(self, options: EchoOptions, sockets: Sequence[ListeningSocket]) -> None:
        streams = _streams(sockets)
        self._options = options
        self._retire_pool(kept={_identity(sock) for sock in streams})
        self._pool = self._add_pool(streams)
        self._pool.start()
        self._replace_datagrams(sockets)

    def release_sockets(self) -> None:
        dropped, self._dropped = self._dropped, []
        for pool, retired in dropped:
            pool.drain(after=retired)

    def drain(self, within_s: float | None, *, stopping: bool) -> None:  # noqa: ARG002 (no echo connection counts as idle)
        if self._collector.is_active:
            self.resume()
        self._is_draining = True
        for pool in self._pools:
            pool.drain()
        self._replace_datagrams([])
        if within_s is not None:
            self._loop.call_later(within_s, self._kill)
        self._stop_if_drained()

    def prepare_handover(self, within_s: float, on_prepared: Callable[[], object]) -> None:
        self._collector.connections += self._connection_slots.take_waiting()
        self._collector.begin(within_s, on_prepared)

    def save(self) -> Handover:
        assert self._collector.is_active
        if unsent := self._collector.unsent:
            raise StateError(
                f"{unsent} connections have not arrived from their slots: no memory,"
                " or too many descriptors of this user on their way, see unix(7)"
            )
        return paused_connection.save(self._collector.connections)

    def resume(self) -> None:
        self._connection_slots.resume()
        for connection in self._collector.end():
            self._connection_slots.serve(connection, self._options)
        for pool in self._pools:
            pool.resume()
        self._stop_if_drained()

    def leave(self, within_s: float | None) -> None:  # noqa: ARG002 (all connections are in `save`)
        self._loop.stop()

    def load(self, state: dict[str, Any]) -> Attach:
        return partial(self._attach, paused_connection.load(state, self._loop.now))

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
        paused = len(self._collector.connections) + self._connection_slots.waiting
        return Counters(totals, {"connections": scoreboard.connections() + paused})

    def degraded(self) -> str:
        return self._pool.degraded() or self._connection_slots.degraded()

    def _attach(self, saved: Sequence[SavedConnection], descriptors: Mapping[int, int]) -> None:
        left = dict(descriptors)
        lost = 0
        for item in saved:
            connection = item.take(left)
            if connection is None:
                lost += 1
            else:
                self._connection_slots.serve(connection, self._options)
        close_all(left.values())
        self._scoreboard.counts["lost"] += lost
        if lost:
            _log.error("clients are lost: the descriptors of %d connections have not arrived", lost)

    def _on_delivery(self, delivery: Delivery | None) -> None:
        """Serve the connection of a slot that was interrupted, or keep it for the handover."""
        scoreboard = self._scoreboard
        if delivery is None:
            scoreboard.counts["lost"] += 1
            return
        index = delivery.index
        sample = Sample(index, delivery.number, scoreboard.bytes_moved(index))
        since, moved_at = self._timeouts.times_of(sample, self._loop.now)
        scoreboard.states[index] = SlotState.ENDED
        connection = PausedConnection(
            delivery.sock,
            delivery.unsent,
            delivery.tag,
            is_admitted=True,
            since=since,
            moved_at=moved_at,
        )
        self._serve(connection, self._options)

    def _serve(self, connection: PausedConnection, options: EchoOptions) -> None:
        if self._collector.is_active:
            self._collector.connections.append(connection)
        else:
            self._connection_slots.serve(connection, options)

    def _slot_sets(self) -> list[SlotSet]:
        return [*self._pools, self._connection_slots]

    def _retire_pool(self, kept: set[int]) -> None:
        """Retire the present pool; a small one serves those of its sockets that are not kept."""
        dropped = [sock.dup() for sock in self._pool.sockets if _identity(sock) not in kept]
        self._pool.retire()
        if dropped:
            pool = self._add_pool(dropped, spare=1)
            pool.start()
            self._dropped.append((pool, self._pool))

    def _add_pool(self, sockets: Sequence[socket.socket], spare: int = 0) -> Pool:
        options = replace(self._options, spare=spare) if spare else self._options
        pool = Pool(self._context, options, sockets, self._on_pool_ended)
        self._pools.append(pool)
        return pool

    def _on_pool_ended(self, pool: Pool) -> None:
        self._pools.remove(pool)
        self._stop_if_drained()

    def _stop_if_drained(self) -> None:
        is_serving = self._pools or self._collector.is_active
        if self._is_draining and not is_serving and self._connection_slots.is_empty:
            self._loop.stop()

    def _kill(self) -> None:
        for slots in self._slot_sets():
            slots.kill()
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
            for slots in self._slot_sets():
                (slots.kill_hung if is_hung else slots.close_expired)(sample.index)


def _set_signal_handlers() -> None:
    # Ignored, so that a signal does not kill a forked slot before it has set its handlers.
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    # Not ignored: a signal that is ignored interrupts no system call of a thread.
    signal.signal(INTERRUPT, lambda _number, _frame: None)


def _streams(sockets: Sequence[ListeningSocket]) -> list[socket.socket]:
    return [listening.sock for listening in sockets if listening.address.scheme.is_stream]


def _samples(scoreboard: Scoreboard) -> list[Sample]:
    columns = [
        scoreboard.column(column)
        for column in (Column.ACCEPTED, Column.TAKEN_OVER, Column.BYTES_IN, Column.BYTES_OUT)
    ]
    rows = list(zip(*columns, strict=True))
    return [
        Sample(index, accepted + taken_over, received + sent)
        for index in scoreboard.busy()
        for accepted, taken_over, received, sent in [rows[index]]
    ]


def _identity(sock: socket.socket) -> int:
    """Return the inode, which all descriptors of one socket share."""
    return os.fstat(sock.fileno()).st_ino
