"""Sends a connection's bytes back to it, until its peer has no more.

Blocking, for it serves one connection: the socket's own buffers push back on a peer that
does not read. Splicing moves pages through a pipe inside the kernel (splice(2)); where the
kernel or a sandbox refuses that, and where each piece is to be tagged, bytes are copied.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
from typing import Final, Protocol

from netd.listeners.echo.board import Column

_PIPE_BYTES: Final = 2**20  # pipe-max-size, pipe(7)
_COPY_BYTES: Final = 65536
_SMALL_BYTES: Final = 16384
_PIECE_BYTES: Final = 2**17  # a slow reader is seen to move at least so often
_SPLICE_REFUSED = frozenset({errno.EINVAL, errno.ENOSYS, errno.EPERM})
_IN, _OUT = int(Column.BYTES_IN), int(Column.BYTES_OUT)


class Relay(Protocol):
    """A way to echo."""

    def echo(self, conn: socket.socket) -> None:
        """Serve a connection to its peer's end-of-file; OSError as recv(2) and send(2) tell."""

    def close(self) -> None:
        """Give back what it holds."""


class Copier:
    """Echoes through this process's memory, with `tag` before each piece."""

    def __init__(self, row: memoryview, tag: bytes = b"") -> None:
        self._row = row
        self._tag = tag

    def echo(self, conn: socket.socket) -> None:
        row = self._row
        while data := conn.recv(_COPY_BYTES):
            row[_IN] += len(data)
            answer = self._tag + data
            conn.sendall(answer)
            row[_OUT] += len(answer)

    def close(self) -> None:
        """Nothing is held."""


class Splicer:
    """Echoes within the kernel, through a pipe of its own."""

    def __init__(self, row: memoryview) -> None:
        self._row = row
        self._buffer = bytearray(_SMALL_BYTES)
        self._view = memoryview(self._buffer)
        self._open()

    def echo(self, conn: socket.socket) -> None:
        try:
            self._splice(conn)
        except OSError as error:
            self.close()  # something may be left in the pipe
            self._open()
            if error.errno not in _SPLICE_REFUSED:
                raise
            Copier(self._row).echo(conn)

    def close(self) -> None:
        os.close(self._inlet)
        os.close(self._outlet)

    def _splice(self, conn: socket.socket) -> None:
        """Small pieces are copied, for that is cheaper than two trips through the pipe."""
        row, buffer, view = self._row, self._buffer, self._view
        receive, send = conn.recv_into, conn.sendall
        while size := receive(buffer):
            row[_IN] += size
            send(view[:size])
            row[_OUT] += size
            if size == _SMALL_BYTES:
                self._splice_while_large(conn.fileno())

    def _splice_while_large(self, fd: int) -> None:
        row, inlet, outlet, splice = self._row, self._inlet, self._outlet, os.splice
        size = _SMALL_BYTES
        while size >= _SMALL_BYTES:
            size = left = splice(fd, inlet, _PIPE_BYTES)
            row[_IN] += size
            while left:
                moved = splice(outlet, fd, min(left, _PIECE_BYTES))
                row[_OUT] += moved
                left -= moved

    def _open(self) -> None:
        self._outlet, self._inlet = os.pipe()
        with contextlib.suppress(PermissionError):  # past pipe-user-pages-soft the default does
            fcntl.fcntl(self._inlet, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
