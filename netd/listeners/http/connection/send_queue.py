"""What a connection has yet to send: bytes, gathered into one call, and parts of files."""

from __future__ import annotations

import errno
import os
import socket
from collections import deque
from typing import Final

from netd.listeners.http.connection.transport import Transport
from netd.listeners.http.response.response import FilePart, Part
from netd.runtime.errnos import CONNECTION_LOST

_SENDFILE_LOST: Final = CONNECTION_LOST - {errno.EINVAL}  # sendfile(2): about the file
_GATHERED_BYTES: Final = 65536  # what is larger is sent from where it is, and not copied
# One connection's share of a turn, from memory and of a file. To a reader with a tiny window even
# the kernel takes long to queue much, and a thousand of them would hold up all others.
_TURN_BYTES: Final = 65536
_SENDFILE_BYTES: Final = 1 << 20


class TruncatedError(Exception):
    """A file ended, or could not be read, before the bytes that were promised of it."""


class SendQueue:
    """A queue of parts, sent in order as far as the socket takes them."""

    __slots__ = ("_parts", "_transport", "sent_bytes", "unsent_bytes")

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._parts: deque[Part | memoryview] = deque()
        self.unsent_bytes = 0
        """What waits in memory; parts of files do not count."""
        self.sent_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._parts)

    def is_full(self, max_bytes: int) -> bool:
        """Whether no more should be added now: much waits in memory, or a file is on its way."""
        return self.unsent_bytes >= max_bytes or any(isinstance(p, FilePart) for p in self._parts)

    def append(self, part: Part) -> None:
        """Queue a part; the descriptor of a file's last part is closed when it has been sent."""
        self._parts.append(part)
        if isinstance(part, bytes):
            self.unsent_bytes += len(part)

    def send(self) -> None:
        """Send all, or what the socket takes, or a turn's share of much.

        BlockingIOError where it takes no more now, another OSError where the peer is gone;
        TruncatedError.
        """
        enough = self.sent_bytes + _TURN_BYTES
        while self._parts and self.sent_bytes < enough:
            part = self._parts[0]
            if not isinstance(part, FilePart):
                self._send_bytes()
            elif not self._send_file(part):
                return

    def close(self) -> None:
        """Forget what was not sent, and close its files."""
        for part in self._parts:
            if isinstance(part, FilePart) and part.is_last:
                os.close(part.fd)
        self._parts.clear()

    def _send_bytes(self) -> None:
        data = self._gather()
        try:
            sent = self._transport.send(data[:_TURN_BYTES], socket.MSG_MORE if self._parts else 0)
        except BlockingIOError:
            self._parts.appendleft(data)
            raise
        self.sent_bytes += sent
        self.unsent_bytes -= sent
        if sent < len(data):
            self._parts.appendleft(data[sent:])

    def _gather(self) -> memoryview:
        """The next part, and more with it while that is little to copy."""
        first = self._parts.popleft()
        assert not isinstance(first, FilePart)
        gathered, size = [first], len(first)
        while self._parts and not isinstance(part := self._parts[0], FilePart):
            size += len(part)
            if size > _GATHERED_BYTES:
                break
            gathered.append(part)
            self._parts.popleft()
        return memoryview(b"".join(gathered) if len(gathered) > 1 else first)

    def _send_file(self, part: FilePart) -> bool:
        count = min(part.count, _SENDFILE_BYTES)
        try:
            sent = self._transport.send_file(part.fd, part.offset, count)
        except BlockingIOError:
            raise
        except OSError as error:
            if error.errno in _SENDFILE_LOST:
                raise
            raise TruncatedError from error  # its file cannot be read
        if not sent:
            raise TruncatedError
        self.sent_bytes += sent
        self._parts.popleft()
        if sent < part.count:
            rest = FilePart(part.fd, part.offset + sent, part.count - sent, is_last=part.is_last)
            self._parts.appendleft(rest)
            return False
        if part.is_last:
            os.close(part.fd)
        return True
