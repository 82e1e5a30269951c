"""The output queue of a connection: bytes, joined for one send(2), and parts of files."""

from __future__ import annotations

import errno
import os
import socket
from collections import deque
from dataclasses import dataclass
from typing import Final

from netd.listeners.http.connection.descriptor_table import DescriptorTable
from netd.listeners.http.connection.transport import Transport
from netd.listeners.http.protocol.response import FilePart, Part
from netd.runtime.errnos import CONNECTION_LOST

_SENDFILE_LOST: Final = CONNECTION_LOST - {errno.EINVAL}  # sendfile(2): the fault is in the file
JOINED_BYTES: Final = 65536
"""The most that is joined for one send(2); larger parts are sent without copying."""
# The most that one connection sends in a turn of the loop, from memory and of a file. For a peer
# with a tiny window the kernel takes long to queue many bytes, and a thousand such peers would
# delay all others.
_TURN_BYTES: Final = 65536
_SENDFILE_BYTES: Final = 1 << 20
_MAX_FILE_BYTES: Final = (1 << 63) - 1  # off_t


class TruncatedError(Exception):
    """A file ended, or could not be read, before all bytes of its part were sent."""


@dataclass(frozen=True, slots=True)
class SavedFilePart:
    """A FilePart for another process: `descriptor` is the position of the file's descriptor."""

    descriptor: int
    offset: int
    count: int
    is_last: bool = True

    def __post_init__(self) -> None:
        if min(self.descriptor, self.offset, self.count) < 0:
            raise ValueError("a negative number")
        if self.offset + self.count > _MAX_FILE_BYTES:
            raise ValueError("a file that is too long")


class SendQueue:
    """Parts to send, in order; sends as much as the socket accepts."""

    __slots__ = ("_parts", "_transport", "_unreceived", "sent_bytes", "unsent_bytes")

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._parts: deque[Part | memoryview] = deque()
        self.unsent_bytes = 0
        """Bytes that wait in memory, without parts of files."""
        self.sent_bytes = 0
        """Bytes sent so far, parts of files included."""
        self._unreceived = 0

    def __bool__(self) -> bool:
        return bool(self._parts)

    def is_full(self, max_bytes: int) -> bool:
        """Whether `max_bytes` or a part of a file are waiting, so that no more should be queued."""
        return self.unsent_bytes >= max_bytes or any(
            isinstance(part, FilePart) for part in self._parts
        )

    def append(self, part: Part) -> None:
        """Queue a part. The descriptor of a file is closed when its last part has been sent."""
        self._parts.append(part)
        if isinstance(part, bytes):
            self.unsent_bytes += len(part)

    def save(self, table: DescriptorTable) -> tuple[bytes | SavedFilePart, ...]:
        """Describe the unsent parts; their files, and large parts as files, go into `table`."""
        return tuple(_save(part, table) for part in self._parts)

    def send(self) -> None:
        """Send queued parts, up to the limit of one turn.

        Raises BlockingIOError if the socket accepts no more now, another OSError if the
        connection is lost, and TruncatedError.
        """
        limit = self.sent_bytes + _TURN_BYTES
        while self._parts and self.sent_bytes < limit:
            part = self._parts[0]
            if not isinstance(part, FilePart):
                self._send_bytes(part)
            elif not self._send_file(part):
                return

    def mark(self) -> None:
        """Remember how much of what was sent the peer has not received, for `received`."""
        self._unreceived = self._transport.unreceived()

    def received(self) -> int:
        """How many bytes the peer has received since `mark` or the last call.

        The socket is writable again only when a third of what waits in the system was received.
        """
        before = self._unreceived
        self.mark()
        return max(0, before - self._unreceived)

    def close(self) -> None:
        """Drop unsent parts and close their files."""
        for part in self._parts:
            if isinstance(part, FilePart) and part.is_last:
                os.close(part.fd)
        self._parts.clear()

    def _send_bytes(self, first: bytes | memoryview) -> None:
        data = self._join(first)
        try:
            sent = self._transport.send(data[:_TURN_BYTES], socket.MSG_MORE if self._parts else 0)
        except BlockingIOError:
            self._parts.appendleft(data)
            raise
        self.sent_bytes += sent
        self.unsent_bytes -= sent
        if sent < len(data):
            self._parts.appendleft(data[sent:])

    def _join(self, first: bytes | memoryview) -> memoryview:
        """Take the first part, joined with the parts after it while there is little to copy."""
        self._parts.popleft()
        joined, size = [first], len(first)
        while self._parts and not isinstance(part := self._parts[0], FilePart):
            size += len(part)
            if size > JOINED_BYTES:
                break
            joined.append(part)
            self._parts.popleft()
        return memoryview(b"".join(joined) if len(joined) > 1 else first)

    def _send_file(self, part: FilePart) -> bool:
        """Send some of a file. Returns False if it was not sent to its end."""
        count = min(part.count, _SENDFILE_BYTES)
        try:
            sent = self._transport.send_file(part.fd, part.offset, count)
        except BlockingIOError:
            raise
        except OSError as error:
            if error.errno in _SENDFILE_LOST:
                raise
            raise TruncatedError from error  # the file cannot be read
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


def _save(part: Part | memoryview, table: DescriptorTable) -> bytes | SavedFilePart:
    if isinstance(part, FilePart):
        return SavedFilePart(table.position_of(part.fd), part.offset, part.count, part.is_last)
    if len(part) <= JOINED_BYTES:
        return bytes(part)
    # A view ends where its object ends: only what was sent is missing at its start.
    whole = part.obj if isinstance(part, memoryview) and isinstance(part.obj, bytes) else part
    return SavedFilePart(table.add_copy(bytes(whole)), len(whole) - len(part), len(part))
