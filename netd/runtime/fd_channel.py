"""Lines of text and open descriptors over one Unix stream socket, without blocking.

This is the wire between the supervisor and a worker. Descriptors ride on the first byte of
their line (SCM_RIGHTS, unix(7)), so the two queues stay in step: a reader takes, for each
line, as many descriptors as that line's meaning says.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

_CHUNK_BYTES = 65536
MAX_DESCRIPTORS: Final = 253  # SCM_MAX_FD, unix(7)
_MAX_LINE_BYTES = 16 * 2**20


class ChannelClosedError(Exception):
    """The other end is gone."""


class FdChannel:
    """One end: `send` queues, `flush` writes what the socket takes, `receive` gives lines."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._unsent: deque[tuple[memoryview, Sequence[int]]] = deque()
        self._partial = bytearray()
        self._descriptors: deque[int] = deque()

    @classmethod
    def pair(cls) -> tuple[FdChannel, FdChannel]:
        """Two connected ends."""
        left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        return cls(left), cls(right)

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._sock.fileno()

    @property
    def has_unsent(self) -> bool:
        """True while something waits for the socket to become writable."""
        return bool(self._unsent)

    def send(self, line: bytes, descriptors: Iterable[int] = ()) -> None:
        """Queue one line (with its newline) and the descriptors that go with it, then flush."""
        passed = tuple(descriptors)
        if len(passed) > MAX_DESCRIPTORS:
            raise ValueError(f"a line carries at most {MAX_DESCRIPTORS} descriptors")
        self._unsent.append((memoryview(line), passed))
        self.flush()

    def flush(self) -> None:
        """Write what the socket takes now; a closed peer is left for `receive` to tell."""
        with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            while self._unsent:
                data, descriptors = self._unsent[0]
                sent = socket.send_fds(self._sock, [data], descriptors)
                if sent == len(data):
                    self._unsent.popleft()
                else:
                    self._unsent[0] = (data[sent:], ())

    def receive(self) -> list[bytes]:
        """Every whole line that has arrived, newline stripped.

        Raises ChannelClosedError once the other end is closed and all its lines were given.
        """
        closed = self._fill()
        *lines, rest = self._partial.split(b"\n")
        self._partial = rest
        if closed and not lines:
            raise ChannelClosedError
        if len(rest) > _MAX_LINE_BYTES:
            raise ChannelClosedError(f"a line of more than {_MAX_LINE_BYTES} bytes")
        return [bytes(line) for line in lines]

    def take_descriptors(self, count: int) -> list[int]:
        """The next `count` descriptors, which now belong to the caller.

        Fewer where this process has no room for more: the kernel drops the rest, recvmsg(2).
        """
        return [self._descriptors.popleft() for _ in range(min(count, len(self._descriptors)))]

    def close(self) -> None:
        """Close this end and every descriptor nobody took."""
        while self._descriptors:
            os.close(self._descriptors.popleft())
        self._sock.close()

    def _fill(self) -> bool:
        while True:
            try:
                data, descriptors, _, _ = socket.recv_fds(
                    self._sock, _CHUNK_BYTES, MAX_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC
                )
            except BlockingIOError:
                return False
            except ConnectionResetError:
                return True
            self._descriptors.extend(descriptors)
            if not data:
                return True
            self._partial += data
