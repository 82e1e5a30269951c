"""One slot of the pool: accepts a connection, serves it to its end, and waits for the next.

The same code runs in a forked process and in a thread. It knows its row of the board, the
listening sockets, and two eventfds: one that wakes it to leave, one that calls the pool.
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

from netd.listeners.admission import Limits
from netd.listeners.echo.options import Concurrency, EchoOptions
from netd.listeners.echo.relay import Copier, Relay, Splicer
from netd.listeners.echo.scoreboard import MAX_SLOTS, Column, Scoreboard, State
from netd.runtime.acceptor import host_of
from netd.runtime.errnos import CONNECTION_ABORTED, CONNECTION_LOST, OUT_OF_RESOURCES

_PAUSE_S = 0.1  # between attempts to accept for want of descriptors or memory
_HOST, _ACCEPTED, _CUT = int(Column.HOST), int(Column.ACCEPTED), int(Column.CUT)
_log = logging.getLogger("netd")


@dataclass(frozen=True, slots=True)
class SlotConfig:
    """What a slot serves, and its place in the pool."""

    board: Scoreboard
    index: int  # its row of the board
    options: EchoOptions
    sockets: Sequence[socket.socket]
    bell: int  # eventfd to ring when hardly a slot is idle


class Slot:
    """Serves one connection at a time, in the process or thread that calls `run`."""

    def __init__(self, duty: SlotConfig, wakeup: int) -> None:
        """Take up a duty; `wakeup` is an eventfd, written to once `leave` was called."""
        options = duty.options
        self._board, self._index, self._bell = duty.board, duty.index, duty.bell
        self._row = duty.board.row(duty.index)
        self._options = options
        self._limits = Limits(options)
        self._low = options.spare // 2
        self._sockets = {sock.fileno(): sock for sock in duty.sockets}
        self._wakeup = wakeup
        self._conn: socket.socket | None = None
        self._is_short = False
        self._leaving = False
        self._forked = options.concurrency is Concurrency.FORK
        self._last = (
            self._row[_ACCEPTED] + options.connections_per_slot
            if options.connections_per_slot
            else -1
        )

    def __enter__(self) -> Self:
        """Take what serving needs; OSError (EMFILE) where there is no room for it."""
        self._epoll = select.epoll()
        return self

    def __exit__(self, *_: object) -> None:
        self._epoll.close()

    def run(self) -> None:
        """Serve until told to leave, or as many connections as it may; to be entered before."""
        relay = self._open_relay()
        self._echo = relay.echo
        states, index, row = self._board.states, self._index, self._row
        wakeup, sockets, epoll = self._wakeup, self._sockets, self._epoll
        with contextlib.closing(relay):
            epoll.register(wakeup, select.EPOLLIN)
            self._leaving |= bool(epoll.poll(0))  # told before it had a handler to be told by
            for fd in sockets:  # exclusive: one connection wakes one slot
                epoll.register(fd, select.EPOLLIN | select.EPOLLEXCLUSIVE)
            wait, fd = epoll.poll, -1
            while not self._leaving and row[_ACCEPTED] != self._last:
                states[index] = State.IDLE
                [(fd, _)] = wait(-1, 1)  # one at a time: the kernel takes turns between sockets
                if fd == wakeup:
                    break
                if not self._leaving:
                    self._accept(sockets[fd])
            epoll.close()
            if self._leaving or fd == wakeup:
                self._accept_last()
        states[index] = State.ENDED

    def leave(self) -> None:
        """Accept nothing more; callable from another thread or a signal's handler."""
        self._leaving = True

    def abandon_sockets(self) -> None:
        """Close the listening sockets of a forked slot that is to leave but is busy yet.

        Held open, they would let clients connect to an address nobody serves any more.
        """
        if self._conn is not None:
            for sock in self._sockets.values():
                sock.close()

    def cut(self) -> None:
        """Shut the present connection down if the board says that it has had its time."""
        conn = self._conn
        if conn is not None and self._row[_CUT] == self._row[_ACCEPTED]:
            with contextlib.suppress(OSError):  # it ended by itself
                conn.shutdown(socket.SHUT_RDWR)

    def abort(self) -> None:
        """Leave, and shut the present connection down."""
        self._leaving = True
        conn = self._conn
        if conn is not None:
            with contextlib.suppress(OSError):
                conn.shutdown(socket.SHUT_RDWR)

    def _open_relay(self) -> Relay:
        if not self._options.tag:
            return Splicer(self._row)
        name = str(os.getpid()) if self._forked else threading.current_thread().name
        return Copier(self._row, f"{name}: ".encode())

    def _accept_last(self) -> None:
        """Serve a connection whose arrival woke this slot while it was told to leave.

        Nobody else was woken for it, and no slot of another pool or worker would look.
        """
        for sock in self._sockets.values():
            if sock.fileno() >= 0:
                self._accept(sock)

    def _accept(self, listening: socket.socket) -> None:
        try:
            conn, peer = listening.accept()
        except BlockingIOError:
            return  # another slot was faster
        except OSError as error:
            self._on_accept_failed(error)
            return
        self._is_short = False
        with conn:
            if self._admit(host_of(peer)):
                self._serve(conn)

    def _on_accept_failed(self, error: OSError) -> None:
        if error.errno in CONNECTION_ABORTED:
            return
        if error.errno not in OUT_OF_RESOURCES:
            raise error
        self._row[Column.ACCEPT_FAILURES] += 1
        if not self._is_short:
            _log.warning("cannot accept: %s; connections wait", error.strerror)
        self._is_short = True
        time.sleep(_PAUSE_S)

    def _admit(self, host: str) -> bool:
        if not self._limits.permits(host):
            self._row[Column.DENIED] += 1
            return False
        if self._limits.max_per_address:
            # Shown before it is counted: two that come at once may both be refused, never
            # both served.
            self._row[_HOST] = key = hash(host) or 1
            if self._board.column(Column.HOST).count(key) > self._limits.max_per_address:
                self._row[_HOST] = 0
                self._row[Column.ADDRESS_FULL] += 1
                return False
        return True

    def _serve(self, conn: socket.socket) -> None:
        states, row = self._board.states, self._row
        row[_ACCEPTED] += 1
        states[self._index] = State.BUSY
        if states[:MAX_SLOTS].count(State.IDLE) <= self._low:
            os.eventfd_write(self._bell, 1)
        self._conn = conn
        if self._leaving and self._forked:
            self.abandon_sockets()
        try:
            self._echo(conn)
        except OSError as error:
            if error.errno not in CONNECTION_LOST:
                raise
            row[Column.RESET] += 1
        finally:
            self._conn = None
            row[_HOST] = 0
