"""One slot of the pool: accepts a connection, serves it until it ends, and accepts the next.

The same code runs in a forked process and in a thread. A slot has its row of the scoreboard, the
listening sockets, and two eventfds: one wakes the slot to leave, the other wakes the pool. If it is
interrupted, it leaves at once: its connection goes to the worker, with the bytes that are not sent
yet, for another slot to continue with.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from netd.listeners.admission import ConnectionLimits
from netd.listeners.echo.mailbox import Mailbox
from netd.listeners.echo.options import Concurrency, EchoOptions
from netd.listeners.echo.paused_connection import PausedConnection
from netd.listeners.echo.relay import Copier, Relay, Splicer, end_waiting
from netd.listeners.echo.scoreboard import MAX_SLOTS, Column, Scoreboard, SlotState
from netd.runtime.acceptor import host_of
from netd.runtime.errnos import CONNECTION_ABORTED, CONNECTION_LOST, OUT_OF_RESOURCES

_PAUSE_S = 0.1  # before accept(2) is tried again without descriptors or memory
_HOST, _ACCEPTED, _EXPIRED = int(Column.HOST), int(Column.ACCEPTED), int(Column.EXPIRED)
_log = logging.getLogger("netd")


@dataclass(frozen=True, slots=True)
class SlotConfig:
    """The sockets and options that a slot serves, and its place in the pool."""

    scoreboard: Scoreboard
    index: int  # the slot's row of the scoreboard
    options: EchoOptions
    sockets: Sequence[socket.socket]
    mailbox: Mailbox
    pool_wakeup: int = -1  # eventfd to write to when few slots are idle
    connection: PausedConnection | None = None  # to serve alone, instead of the sockets

    def descriptors(self) -> list[int]:
        """The descriptors that a process needs to run the slot."""
        outlet = self.mailbox.outlet.fileno()
        if self.connection is not None:
            return [outlet, *self.connection.descriptors()]
        return [outlet, self.pool_wakeup, *(sock.fileno() for sock in self.sockets)]


class Slot:
    """Serves one connection at a time, in the process or thread that calls `run`."""

    def __init__(self, config: SlotConfig, wakeup: int) -> None:
        """`wakeup` is an eventfd that the pool writes to after it has called `leave`."""
        options = config.options
        self._scoreboard = config.scoreboard
        self._index = config.index
        self._pool_wakeup = config.pool_wakeup
        self._row = config.scoreboard.row(config.index)
        self._options = options
        self._limits = ConnectionLimits(options)
        self._low_idle = options.spare // 2
        self._sockets = {sock.fileno(): sock for sock in config.sockets}
        self._wakeup = wakeup
        self._mailbox = config.mailbox
        self._conn: socket.socket | None = None
        self._connection = config.connection
        self._relay: Relay | None = None
        self._is_paused = False
        self._is_leaving = False
        self._is_interrupted = False
        self._is_forked = options.concurrency is Concurrency.FORK
        self._last_number = (
            self._row[_ACCEPTED] + options.connections_per_slot
            if options.connections_per_slot
            else -1
        )

    def __enter__(self) -> Self:
        """Open the epoll descriptor. Raises OSError (EMFILE)."""
        self._epoll = select.epoll()
        return self

    def __exit__(self, *_: object) -> None:
        self._epoll.close()

    def run(self) -> None:
        """Serve until `leave` is called or `connections_per_slot` is reached."""
        self._relay = relay = self._open_relay()
        if self._is_interrupted:
            relay.interrupt()
        self._echo = relay.echo
        with contextlib.closing(relay):
            if self._connection is None:
                self._serve_sockets()
            else:
                self._serve_connection(self._connection)
        if self._scoreboard.states[self._index] != SlotState.PAUSED:
            self._scoreboard.states[self._index] = SlotState.ENDED

    def _serve_sockets(self) -> None:
        states, index, row = self._scoreboard.states, self._index, self._row
        wakeup, sockets, epoll = self._wakeup, self._sockets, self._epoll
        epoll.register(wakeup, select.EPOLLIN)
        self._is_leaving |= bool(epoll.poll(0))  # retired before it had a signal handler
        for fd in sockets:  # exclusive: a connection wakes one slot
            epoll.register(fd, select.EPOLLIN | select.EPOLLEXCLUSIVE)
        wait, fd = epoll.poll, -1
        while not self._is_leaving and row[_ACCEPTED] != self._last_number:
            states[index] = SlotState.IDLE
            [(fd, _)] = wait(-1, 1)  # one event: the kernel alternates between sockets
            if fd == wakeup:
                break
            if not self._is_leaving:
                self._accept(sockets[fd])
        epoll.close()
        if (self._is_leaving or fd == wakeup) and not self._is_interrupted:
            self._accept_last()

    def leave(self) -> None:
        """Accept no more connections; may be called from another thread or a signal handler."""
        self._is_leaving = True

    def interrupt(self) -> bool:
        """Leave, and send the open connection to the worker instead of serving it to its end.

        May be called from another thread or a signal handler, and has to be called again until the
        slot has ended: a call that the slot was about to make waits all the same. Returns whether
        the slot may be waiting for its peer. Connections in the backlog stay there.
        """
        self._is_interrupted = self._is_leaving = True
        if self._relay is not None:
            self._relay.interrupt()
        conn = self._conn
        if conn is not None:
            end_waiting(conn)
        return conn is not None

    def close_sockets(self) -> None:
        """Close the listening sockets of a forked slot that leaves, but is still busy.

        If the slot kept them open, clients could connect to an address that has no server.
        """
        if self._conn is not None:
            for sock in self._sockets.values():
                sock.close()

    def close_expired(self) -> None:
        """Shut the open connection down if the scoreboard marks it as expired."""
        conn = self._conn
        if conn is not None and self._row[_EXPIRED] == self._scoreboard.number(self._index):
            with contextlib.suppress(OSError):  # the connection has ended already
                conn.shutdown(socket.SHUT_RDWR)

    def abort(self) -> None:
        """Leave, and shut the open connection down."""
        self._is_leaving = True
        conn = self._conn
        if conn is not None:
            with contextlib.suppress(OSError):
                conn.shutdown(socket.SHUT_RDWR)

    def _open_relay(self) -> Relay:
        if not self._options.tag:
            return Splicer(self._row)
        name = str(os.getpid()) if self._is_forked else threading.current_thread().name
        return Copier(self._row, f"{name}: ".encode())

    def _accept_last(self) -> None:
        """Serve connections that arrived together with the call of `leave`.

        Their arrival woke only this slot; no other slot would accept them. A forked slot closes
        its copies of the sockets before it serves: the pool closes the last ones.
        """
        listening = [sock for sock in self._sockets.values() if sock.fileno() >= 0]
        accepted = [connection for sock in listening if (connection := self._take(sock))]
        for sock in listening if self._is_forked else ():
            sock.close()
        for connection in accepted:
            self._handle(*connection)

    def _accept(self, listening: socket.socket) -> None:
        connection = self._take(listening)
        if connection is not None:
            self._handle(*connection)

    def _take(self, listening: socket.socket) -> tuple[socket.socket, object] | None:
        """Accept a connection; None if another slot has accepted it, or if accept(2) failed."""
        try:
            connection = listening.accept()
        except BlockingIOError:
            return None
        except OSError as error:
            self._on_accept_failed(error)
            return None
        self._is_paused = False
        return connection

    def _handle(self, conn: socket.socket, peer: object) -> None:
        with conn:
            if self._admit(host_of(peer)):
                self._serve(conn)

    def _serve_connection(self, connection: PausedConnection) -> None:
        with connection.sock as conn:
            unsent = connection.take_unsent()
            try:
                peer = conn.getpeername()
            except OSError:  # the peer has gone already
                self._row[Column.RESET] += connection.is_admitted
                return
            if connection.is_admitted:
                self._row[_HOST] = hash(host_of(peer)) or 1
                self._serve_to_end(conn, unsent)
            else:
                self._handle(conn, peer)

    def _on_accept_failed(self, error: OSError) -> None:
        if error.errno in CONNECTION_ABORTED:
            return
        if error.errno not in OUT_OF_RESOURCES:
            raise error
        self._row[Column.ACCEPT_FAILURES] += 1
        if not self._is_paused:
            _log.warning("cannot accept: %s; connections wait", error.strerror)
        self._is_paused = True
        time.sleep(_PAUSE_S)

    def _admit(self, host: str) -> bool:
        if not self._limits.sources.permits(host):
            self._row[Column.DENIED] += 1
            return False
        if self._limits.max_per_address:
            # The host is written before hosts are counted, so of two connections that arrive at
            # the same time both may be refused, but never both served.
            self._row[_HOST] = key = hash(host) or 1
            if self._scoreboard.column(Column.HOST).count(key) > self._limits.max_per_address:
                self._row[_HOST] = 0
                self._row[Column.ADDRESS_FULL] += 1
                return False
        return True

    def _serve(self, conn: socket.socket) -> None:
        states = self._scoreboard.states
        self._row[_ACCEPTED] += 1
        states[self._index] = SlotState.BUSY
        if states[:MAX_SLOTS].count(SlotState.IDLE) <= self._low_idle and self._sockets:
            os.eventfd_write(self._pool_wakeup, 1)
        self._serve_to_end(conn)

    def _serve_to_end(self, conn: socket.socket, unsent: bytes = b"") -> None:
        row, rest = self._row, None
        self._conn = conn
        if self._is_leaving and self._is_forked:
            self.close_sockets()
        try:
            rest = self._echo(conn, unsent)
        except OSError as error:
            if error.errno not in CONNECTION_LOST:
                raise
            row[Column.RESET] += 1
        finally:
            self._conn = None
            row[_HOST] = 0
        if rest is not None:
            self._hand_over(conn, rest)

    def _hand_over(self, conn: socket.socket, unsent: bytes) -> None:
        index, scoreboard = self._index, self._scoreboard
        scoreboard.states[index] = SlotState.PAUSED
        number = scoreboard.number(index)
        self._mailbox.post(index, number, conn, unsent, tag=self._options.tag)
