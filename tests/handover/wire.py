"""A client's socket on asyncio, whose errors are faults."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from typing import Final, Self

from netd.config.address import Address
from tests.handover.record import Fault, LostError

_CHUNK_BYTES: Final = 65536
_QUEUE_FULL_S: Final = 0.001
_REFUSED: Final = (errno.ECONNREFUSED, errno.ENOENT)


class Wire:
    """A connected stream."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.received = bytearray()
        """Bytes that have arrived and were not taken yet."""

    @classmethod
    async def connect(cls, address: str, receive_buffer: int = 0) -> Self:
        """Connect. Raises LostError."""
        to = Address.parse(address)
        local = to.scheme.is_local
        family = socket.AF_UNIX if local else socket.AF_INET6 if ":" in to.host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            if receive_buffer:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            if not local:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await _connect(sock, to.path if local else (to.host, to.port))
        except BaseException as error:
            sock.close()
            if isinstance(error, OSError):
                refused = error.errno in _REFUSED
                raise LostError(Fault.REFUSED if refused else Fault.RESET, repr(error)) from error
            raise
        return cls(sock)

    async def send(self, data: bytes) -> None:
        """Send all bytes. Raises LostError."""
        try:
            await asyncio.get_running_loop().sock_sendall(self.sock, data)
        except OSError as error:
            raise LostError(Fault.RESET, f"while sending: {error!r}") from error

    async def receive(self, at_most: int = _CHUNK_BYTES) -> bytes:
        """Receive some bytes into `received`; returns them, or b"" at the end."""
        try:
            chunk = await asyncio.get_running_loop().sock_recv(self.sock, at_most)
        except OSError as error:
            raise LostError(Fault.RESET, repr(error)) from error
        self.received += chunk
        return chunk

    async def take(self, count: int) -> bytes:
        """Take exactly `count` bytes. Raises LostError at an earlier end."""
        while len(self.received) < count:
            if not await self.receive():
                raise LostError(Fault.DROPPED, f"after {len(self.received)} of {count} bytes")
        return self._take(count)

    async def take_until(self, mark: bytes) -> bytes:
        """Take all bytes up to a mark and the mark itself. Raises LostError at an earlier end."""
        searched = 0
        while (at := self.received.find(mark, searched)) < 0:
            searched = max(0, len(self.received) - len(mark) + 1)
            if not await self.receive():
                raise LostError(Fault.DROPPED, f"before {mark!r}, after {self.received[-80:]!r}")
        return self._take(at + len(mark))

    async def take_all(self) -> bytes:
        """Take all bytes up to the end-of-file."""
        while await self.receive():
            pass
        return self._take(len(self.received))

    def end_output(self) -> None:
        """Send an end-of-file (shutdown(2), SHUT_WR)."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the socket."""
        self.sock.close()

    def _take(self, count: int) -> bytes:
        taken = bytes(self.received[:count])
        del self.received[:count]
        return taken


async def _connect(sock: socket.socket, address: str | tuple[str, int]) -> None:
    while True:
        try:
            await asyncio.get_running_loop().sock_connect(sock, address)
        except BlockingIOError:  # a Unix socket whose queue is full; a blocking client waits
            await asyncio.sleep(_QUEUE_FULL_S)
        else:
            return


def compare(received: bytes, due: bytes) -> None:
    """Raise LostError unless both are the same."""
    if received != due:
        pairs = enumerate(zip(received, due, strict=False))
        at = next((i for i, (one, other) in pairs if one != other), min(len(received), len(due)))
        part = slice(max(0, at - 20), at + 40)
        raise LostError(
            Fault.WRONG,
            f"byte {at} of {len(due)}, {len(received)} received:"
            f" {received[part]!r} in place of {due[part]!r}",
        )
