"""Sends the bytes of one connection back, until the peer's end-of-file.

The calls block, since a slot serves one connection: the socket's buffers slow down a peer that
does not read. Splicer moves large pieces through a pipe in the kernel (splice(2)). If the kernel
or a sandbox does not allow that, or each piece gets a tag, bytes are copied.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
from typing import Final, Protocol

from netd.listeners.echo.scoreboard import Column
from netd.runtime.errnos import UNSUPPORTED

_PIPE_BYTES: Final = 2**20  # pipe-max-size, pipe(7)
_COPY_BYTES: Final = 65536
_SMALL_BYTES: Final = 16384
_PIECE_BYTES: Final = 2**17  # so that a slow reader makes visible progress (Timeouts)
_SPLICE_REFUSED = UNSUPPORTED | {errno.EINVAL}
_IN, _OUT = int(Column.BYTES_IN), int(Column.BYTES_OUT)


class Relay(Protocol):
    """Echoes connections, one after the other."""

    def echo(self, conn: socket.socket) -> None:
        """Serve a connection until its peer's end-of-file. Raises OSError."""

    def close(self) -> None:
        """Release its descriptors."""


class Copier:
    """Copies through memory, and puts `tag` before each piece."""

    def __init__(self, row: memoryview, tag: bytes = b"") -> None:
        self._row = row
        self._tag = tag

    def echo(self, conn: socket.socket) -> None:
        row = self._row
        while data := conn.recv(_COPY_BYTES):
            row[_IN] += len(data)
            reply = self._tag + data
            conn.sendall(reply)
            row[_OUT] += len(reply)

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

    def echo(self, conn: socket.socket) -> None:
        try:
            self._copy(conn)
        except OSError:
            self.close()  # the pipe can have bytes of this connection left
            raise

    def close(self) -> None:
        if self._pipe is not None:
            for fd in self._pipe:
                os.close(fd)
        self._pipe = None

    def _copy(self, conn: socket.socket) -> None:
        row, buffer, view = self._row, self._buffer, self._view
        receive, send = conn.recv_into, conn.sendall
        while size := receive(buffer):
            row[_IN] += size
            send(view[:size])
            row[_OUT] += size
            if size == _SMALL_BYTES and (pipe := self._open_pipe()) is not None:
                self._splice_while_large(conn, pipe)

    def _splice_while_large(self, conn: socket.socket, pipe: tuple[int, int]) -> None:
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
        except OSError as error:
            if error.errno not in _SPLICE_REFUSED:
                raise
            self._can_splice = False
            self._empty(outlet, left, conn)
            self.close()

    def _empty(self, outlet: int, left: int, conn: socket.socket) -> None:
        while left:
            data = os.read(outlet, left)
            conn.sendall(data)
            self._row[_OUT] += len(data)
            left -= len(data)

    def _open_pipe(self) -> tuple[int, int] | None:
        """The pipe, opened if it is not open; None if splice(2) cannot be used."""
        if self._pipe is None and self._can_splice:
            with contextlib.suppress(OSError):  # EMFILE, ENFILE: copy now, retry later
                self._pipe = os.pipe()
                # EPERM above pipe-user-pages-soft, pipe(7): then the default size is used.
                fcntl.fcntl(self._pipe[1], fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        return self._pipe
