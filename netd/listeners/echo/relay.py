"""Sends the bytes of one connection back, until the peer's end-of-file.

The calls block, since a slot serves one connection: the socket's buffers slow down a peer that
does not read. Splicer moves large pieces through a pipe in the kernel (splice(2)). If the kernel
or a sandbox does not allow that, or each piece gets a tag, bytes are copied.

A relay can be interrupted at any moment, for another process to continue with the connection: it
stops after the present piece, or where a call has failed with EAGAIN, which a blocking socket
reports only once it has a time-out (`end_waiting`). Every call that sends is counted, so the relay
knows which bytes are received and not yet sent. sendall() would lose that count.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import struct
from typing import Final, Protocol

from netd.listeners.echo.scoreboard import Column
from netd.runtime.errnos import UNSUPPORTED

_PIPE_BYTES: Final = 2**20  # pipe-max-size, pipe(7)
_COPY_BYTES: Final = 65536
_SMALL_BYTES: Final = 16384
_PIECE_BYTES: Final = 2**17  # so that a slow reader makes visible progress (Timeouts)
_SPLICE_REFUSED = UNSUPPORTED | {errno.EINVAL}
_SHORTEST_TIMEOUT: Final = struct.pack("ll", 0, 1)  # struct timeval: 1 us; 0 would be none
_NO_TIMEOUT: Final = struct.pack("ll", 0, 0)
_IN, _OUT = int(Column.BYTES_IN), int(Column.BYTES_OUT)


class Relay(Protocol):
    """Echoes connections, one after the other."""

    def echo(self, conn: socket.socket, unsent: bytes = b"") -> bytes | None:
        """Send `unsent`, then serve a connection until its peer's end-of-file. Raises OSError.

        Returns None then. After `interrupt` it returns the bytes that are still to be sent.
        """

    def interrupt(self) -> None:
        """Let `echo` return soon; for a call that waits see `end_waiting`.

        May be called from a signal handler or another thread, at any time.
        """

    def close(self) -> None:
        """Release its descriptors."""


def end_waiting(conn: socket.socket) -> None:
    """Let each call that would wait for the peer fail with EAGAIN instead.

    A call that waits already keeps waiting until a signal makes the system restart it.
    """
    _set_timeouts(conn, _SHORTEST_TIMEOUT)


def allow_waiting(conn: socket.socket) -> None:
    """Undo `end_waiting`."""
    _set_timeouts(conn, _NO_TIMEOUT)


def _set_timeouts(conn: socket.socket, timeval: bytes) -> None:
    with contextlib.suppress(OSError):  # the connection has ended already
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            conn.setsockopt(socket.SOL_SOCKET, option, timeval)


def _send(row: memoryview, conn: socket.socket, data: bytes | memoryview) -> bytes:
    """Send data and count it. Returns the rest if the relay was interrupted meanwhile."""
    rest = memoryview(data)
    with contextlib.suppress(BlockingIOError):
        while rest:
            sent = conn.send(rest[:_PIECE_BYTES])
            row[_OUT] += sent
            rest = rest[sent:]
    return bytes(rest)


class Copier:
    """Copies through memory, and puts `tag` before each piece."""

    def __init__(self, row: memoryview, tag: bytes = b"") -> None:
        self._row = row
        self._tag = tag
        self._is_interrupted = False

    def echo(self, conn: socket.socket, unsent: bytes = b"") -> bytes | None:
        row = self._row
        unsent = _send(row, conn, unsent)
        while not (unsent or self._is_interrupted):
            try:
                data = conn.recv(_COPY_BYTES)
            except BlockingIOError:
                break
            if not data:
                return None
            row[_IN] += len(data)
            unsent = _send(row, conn, self._tag + data)
        return unsent

    def interrupt(self) -> None:
        self._is_interrupted = True

    def close(self) -> None:
        """Do nothing: a Copier has no descriptor of its own."""


class Splicer:
    """Moves large pieces through a pipe in the kernel, and copies small ones.

    To copy a small piece is cheaper than two calls of splice(2). The pipe is opened when it is
    first needed.
    """

    def __init__(self, row: memoryview) -> None:
        self._row = row
        self._buffer = bytearray(_SMALL_BYTES)
        self._view = memoryview(self._buffer)
        self._pipe: tuple[int, int] | None = None
        self._can_splice = True
        self._is_interrupted = False
        # After a larger piece there is more to do than to receive the next one. An interruption
        # makes this 0, so that the loop over small pieces needs no further check.
        self._small_bytes = _SMALL_BYTES - 1

    def echo(self, conn: socket.socket, unsent: bytes = b"") -> bytes | None:
        try:
            if unsent:
                unsent = _send(self._row, conn, unsent)
            if unsent or self._is_interrupted:
                return unsent
            return self._copy(conn)
        except OSError:
            self.close()  # the pipe can have bytes of this connection left
            raise

    def interrupt(self) -> None:
        self._is_interrupted = True
        self._small_bytes = 0

    def close(self) -> None:
        if self._pipe is not None:
            for fd in self._pipe:
                os.close(fd)
        self._pipe = None

    def _copy(self, conn: socket.socket) -> bytes | None:
        row, buffer, view = self._row, self._buffer, self._view
        receive, send = conn.recv_into, conn.send
        balance = row[_IN] - row[_OUT]
        try:
            while size := receive(buffer):
                row[_IN] += size
                sent = send(view[:size])
                row[_OUT] += sent
                if sent < size or size > self._small_bytes:
                    unsent = self._finish_piece(conn, view[sent:size])
                    if unsent is not None:
                        return unsent
        except BlockingIOError:  # of `receive`, or of `send`, which then has sent nothing
            return bytes(view[: row[_IN] - row[_OUT] - balance])
        return None

    def _finish_piece(self, conn: socket.socket, rest: memoryview) -> bytes | None:
        """Send the rest of a piece, then move large pieces. As `echo`, but None: go on."""
        unsent = _send(self._row, conn, rest)
        if unsent or self._is_interrupted:
            return unsent
        pipe = self._open_pipe()
        return None if pipe is None else self._splice_while_large(conn, pipe)

    def _splice_while_large(self, conn: socket.socket, pipe: tuple[int, int]) -> bytes | None:
        row, fd, (outlet, inlet) = self._row, conn.fileno(), pipe
        size, left = _SMALL_BYTES, 0
        try:
            while size >= _SMALL_BYTES:
                size = left = os.splice(fd, inlet, _PIPE_BYTES)
                row[_IN] += size
                while left:
                    moved = os.splice(outlet, fd, min(left, _PIECE_BYTES))
                    row[_OUT] += moved
                    left -= moved
                    if self._is_interrupted:
                        return _read(outlet, left)
        except BlockingIOError:
            return _read(outlet, left)
        except OSError as error:
            if error.errno not in _SPLICE_REFUSED:
                raise
            self._can_splice = False
            unsent = _send(row, conn, _read(outlet, left))
            self.close()
            return unsent or None
        return None

    def _open_pipe(self) -> tuple[int, int] | None:
        """The pipe, opened if it is not open; None if splice(2) cannot be used."""
        if self._pipe is None and self._can_splice:
            with contextlib.suppress(OSError):  # EMFILE, ENFILE: copy now, retry later
                self._pipe = os.pipe()
                # EPERM above pipe-user-pages-soft, pipe(7): then the default size is used.
                fcntl.fcntl(self._pipe[1], fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        return self._pipe


def _read(outlet: int, size: int) -> bytes:
    """Read bytes that are in a pipe."""
    data = b""
    while len(data) < size:
        data += os.read(outlet, size - len(data))
    return data
