"""Sends and receives lines and open descriptors over a Unix stream socket, without blocking.

The supervisor and a worker are connected by a pair of these. Descriptors travel with the first
byte of their line (SCM_RIGHTS, unix(7)), so they arrive no later than the line. The line's content
determines how many descriptors belong to it.

The kernel limits how many descriptors of a *user* are on their way at a time, over all of the
user's processes. Hence a process that is about to be forked inherits its first descriptors.
"""

from __future__ import annotations

import contextlib
import socket
from collections import deque
from collections.abc import Iterable, Sequence

from netd.runtime.descriptors import MAX_DESCRIPTORS, close_all, duplicate_all, receive

_CHUNK_BYTES = 65536
_MAX_LINE_BYTES = 16 * 2**20


class ChannelClosedError(Exception):
    """The other end is closed."""


class FdChannel:
    """One end of the connection."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        # What waits for the socket, each line with copies of its descriptors.
        self._unsent: deque[tuple[memoryview, Sequence[int]]] = deque()
        self._is_within_line = False  # whether a part of the first one was sent
        self._partial = bytearray()
        self._descriptors: deque[int] = deque()

    @classmethod
    def pair(cls) -> tuple[FdChannel, FdChannel]:
        """Return two connected ends."""
        left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        return cls(left), cls(right)

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._sock.fileno()

    @property
    def has_unsent(self) -> bool:
        """True while a line waits for the socket to become writable."""
        return bool(self._unsent)

    @property
    def descriptors(self) -> Sequence[int]:
        """The descriptors that have arrived and were not taken."""
        return tuple(self._descriptors)

    def inherit(self, descriptors: Iterable[int]) -> None:
        """Let copies of descriptors arrive at this end, which a process is about to inherit.

        Raises OSError if there is no room for them.
        """
        self._descriptors.extend(duplicate_all(descriptors))

    def send(self, line: bytes, descriptors: Iterable[int] = ()) -> None:
        """Send a line (which ends with a newline) and its descriptors, now or at a `flush`.

        The caller may close its descriptors. Raises OSError; a line that waits then is sent later.
        """
        passed = tuple(descriptors)
        if len(passed) > MAX_DESCRIPTORS:
            raise ValueError(f"a line carries at most {MAX_DESCRIPTORS} descriptors")
        data, sent = memoryview(line), 0
        try:
            self.flush()
            if not self._unsent:
                sent = self._write(data, passed)
        finally:
            if sent < len(data):
                self._unsent.append((data[sent:], () if sent else duplicate_all(passed)))

    def send_ahead(self, line: bytes) -> None:
        """Send a line before those that wait; not at all if the socket takes nothing now."""
        if self._is_within_line:
            return
        data = memoryview(line)
        sent = self._write(data, ())
        if 0 < sent < len(data):
            self._unsent.appendleft((data[sent:], ()))

    def flush(self) -> None:
        """Write as much as the socket takes now; `receive` reports a closed peer."""
        while self._unsent:
            data, descriptors = self._unsent[0]
            sent = self._write(data, descriptors)
            if not sent:
                return
            self._unsent[0] = (data[sent:], ())
            close_all(descriptors)
            if sent == len(data):
                self._unsent.popleft()

    def receive(self) -> list[bytes]:
        """Return the complete lines that have arrived, without their newlines.

        Raises ChannelClosedError if the other end is closed and all of its lines were returned, and
        OSError if nothing could be received.
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
        """Return the next `count` descriptors, which belong to the caller now.

        Returns fewer if this process has no room for more: the kernel drops them, recvmsg(2).
        """
        return [self._descriptors.popleft() for _ in range(min(count, len(self._descriptors)))]

    def close(self) -> None:
        """Close this end, and the descriptors that were not sent or not taken."""
        for _, descriptors in self._unsent:
            close_all(descriptors)
        close_all(self._descriptors)
        self._unsent.clear()
        self._descriptors.clear()
        self._sock.close()

    def _write(self, data: memoryview, descriptors: Sequence[int]) -> int:
        """Write now, and return how many bytes the socket took."""
        with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            sent = socket.send_fds(self._sock, [data], descriptors)
            self._is_within_line = sent < len(data)
            return sent
        return 0

    def _fill(self) -> bool:
        has_received = False
        while True:
            try:
                data, descriptors = receive(self._sock, _CHUNK_BYTES)
            except BlockingIOError:
                return False
            except ConnectionResetError:
                return True
            except OSError:
                if has_received:  # return the lines now; the next call raises if the error lasts
                    return False
                raise
            self._descriptors.extend(descriptors)
            if not data:
                return True
            self._partial += data
            has_received = True
