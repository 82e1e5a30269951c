"""Clients of echo: each byte comes back once, in order."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from typing import Final

from netd.config.address import Address
from tests.handover.client import STUCK_S, Client
from tests.handover.content import content
from tests.handover.record import Fault, LostError, Record, Spec
from tests.handover.wire import Wire, compare

_BLOCK_BYTES: Final = 65536
_AHEAD_BLOCKS: Final = 16
_PIECE_BYTES: Final = (16, 100, 1500, 9000, 40000)


class EchoHeld(Client):
    """Sends numbered pieces on one connection, one after the other."""

    def __init__(self, spec: Spec, number: int) -> None:
        super().__init__(spec, number)
        self._piece = 0

    async def exchange(self, wire: Wire) -> None:
        self._piece += 1
        size = _PIECE_BYTES[(self._piece + self.number) % len(_PIECE_BYTES)]
        data = b"%d.%d " % (self.number, self._piece) + content(size)
        await asyncio.gather(wire.send(data), self._compare(wire, data))

    async def _compare(self, wire: Wire, data: bytes) -> None:
        compare(await wire.take(len(data)), data)

    async def part(self, wire: Wire) -> None:
        wire.end_output()
        compare(await wire.take_all(), b"")


class EchoNew(EchoHeld):
    """A connection for each piece."""

    keeps = False


class EchoBulk(Client):
    """Sends numbered blocks without waiting for their return, and compares them as they come."""

    receive_pace_s = 0.0

    async def session(self) -> None:
        async with asyncio.timeout(STUCK_S):
            wire = await Wire.connect(self.address, self.receive_buffer)
        with contextlib.closing(wire):
            window = asyncio.Semaphore(_AHEAD_BLOCKS)
            sending = asyncio.create_task(self._send(wire, window))
            try:
                await self._receive(wire, window, sending)
            finally:
                sending.cancel()
                with contextlib.suppress(asyncio.CancelledError, LostError):
                    await sending

    async def _send(self, wire: Wire, window: asyncio.Semaphore) -> int:
        """Send blocks until the end, and an end-of-file; returns the number of blocks."""
        number = 0
        while not self.is_ending:
            await window.acquire()
            await wire.send(_block(number))
            number += 1
            await self.rest(self.pace_s)
        wire.end_output()
        return number

    async def _receive(
        self, wire: Wire, window: asyncio.Semaphore, sending: asyncio.Task[int]
    ) -> None:
        """Compare each block, the end-of-file after the last one, and the number of blocks."""
        number = 0
        while True:
            self.record.begin()
            async with asyncio.timeout(STUCK_S):
                while len(wire.received) < _BLOCK_BYTES and await wire.receive():
                    pass
            if not wire.received:
                break
            compare(await wire.take(_BLOCK_BYTES), _block(number))
            self.record.end()
            number += 1
            window.release()
            await self.rest(self.receive_pace_s)
        if not sending.done():
            raise LostError(Fault.DROPPED, f"after {number} blocks")
        if number != (sent := await sending):
            raise LostError(Fault.LOST, f"{sent - number} of {sent} blocks")


class EchoSlow(EchoBulk):
    """The same, but reads slowly, so that data waits in the server."""

    receive_buffer = 16384
    receive_pace_s = 0.1
    pace_s = 0.0


def _block(number: int) -> bytes:
    head = b"block %12d " % number
    return head + content(_BLOCK_BYTES)[len(head) :]


class EchoDatagram(Client):
    """Sends numbered datagrams; each one comes back once, though a datagram may be lost."""

    async def session(self) -> None:
        to = Address.parse(self.address)
        local = to.scheme.is_local
        loop = asyncio.get_running_loop()
        family = socket.AF_UNIX if local else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
            sock.bind("" if local else ("127.0.0.1", 0))  # an abstract name of its own
            try:
                sock.connect(to.path if local else (to.host, to.port))
                for number in itertools.count():
                    if self.is_ending:
                        return
                    self.record.begin()
                    data = b"datagram %d " % number + content(500)
                    async with asyncio.timeout(STUCK_S):
                        await loop.sock_sendall(sock, data)
                        compare(await loop.sock_recv(sock, 65536), data)
                    self.record.end()
                    await self.rest(self.pace_s)
            except OSError as error:
                raise LostError(Fault.REFUSED, repr(error)) from error


class EchoHalfClosed:
    """Ends its output before the event with most of the echo unread, and reads it afterwards."""

    def __init__(self, spec: Spec, number: int) -> None:
        self.record = Record(f"{spec.name} {number}")
        self._address = spec.address
        self._data = b"%d " % number + content(200_000)
        self._wire: Wire | None = None

    async def before(self) -> None:
        self._wire = await Wire.connect(self._address, 4096)
        await self._wire.send(self._data)
        self._wire.end_output()
        await self._wire.receive(100)

    async def after(self) -> None:
        assert self._wire is not None
        compare(await self._wire.take_all(), self._data)

    def close(self) -> None:
        if self._wire is not None:
            self._wire.close()
