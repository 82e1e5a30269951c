"""Clients of HTTP: each response has the status and the content that are due.

The option `paths` maps paths to contents, as `tests.handover.content.body` takes them.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import Final

from tests.handover.client import STUCK_S, Client
from tests.handover.content import body
from tests.handover.record import Fault, LostError, Record, Spec
from tests.handover.wire import Wire, compare

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class HttpKept(Client):
    """Makes requests on one connection, one after the other."""

    def __init__(self, spec: Spec, number: int) -> None:
        super().__init__(spec, number)
        self._paths = list(self.options["paths"].items())
        self._requests = number

    async def exchange(self, wire: Wire) -> None:
        path, due = self._next()
        await wire.send(request(path, keeps=self.keeps))
        await read_response(wire, due)

    def _next(self) -> tuple[str, bytes]:
        self._requests += 1
        path, text = self._paths[self._requests % len(self._paths)]
        return path, body(text)


class HttpNew(HttpKept):
    """A connection for each request."""

    keeps = False

    async def exchange(self, wire: Wire) -> None:
        await super().exchange(wire)
        compare(await wire.take_all(), b"")


class HttpPost(HttpKept):
    """Sends contents to a route that echoes them, on one connection."""

    async def exchange(self, wire: Wire) -> None:
        path, due = self._next()
        await asyncio.gather(wire.send(_post(path, due)), read_response(wire, due))


class HttpPipelined(HttpKept):
    """Sends several requests at once, and reads the responses slowly."""

    depth = 6
    receive_buffer = 32768
    pace_s = 0.005

    async def exchange(self, wire: Wire) -> None:
        due = [self._next() for _ in range(self.depth)]
        await wire.send(b"".join(request(path, keeps=True) for path, _ in due))
        for _, content in due:
            self.record.begin()
            await read_response(wire, content, self.pace_s)
            self.record.end()


class HttpDownload(HttpKept):
    """Reads a large file slowly, and compares all of it; after `end` it reads the rest at once."""

    receive_buffer = 8192
    pace_s = 0.05

    async def session(self) -> None:
        async with asyncio.timeout(STUCK_S):
            wire = await Wire.connect(self.address, self.receive_buffer)
        with contextlib.closing(wire):
            path, due = self._next()
            await wire.send(request(path, keeps=False))
            async with asyncio.timeout(STUCK_S):
                _check_head(await wire.take_until(b"\r\n\r\n"), len(due))
            while len(wire.received) < len(due):
                await self._receive(wire, len(due))
            compare(bytes(wire.received), due)

    async def _receive(self, wire: Wire, size: int) -> None:
        self.record.begin()
        async with asyncio.timeout(STUCK_S):
            if not await wire.receive(65536 if self.is_ending else 4096):
                raise LostError(Fault.DROPPED, f"after {len(wire.received)} of {size} bytes")
        self.record.end()
        await self.rest(self.pace_s)


class HttpSplit:
    """Sends a part of the head of a request before the event, and the rest afterwards."""

    def __init__(self, spec: Spec, number: int) -> None:
        self.record = Record(f"{spec.name} {number}")
        [(path, text)] = spec.options["paths"].items()
        self._address, self._due = spec.address, body(text)
        self.number, self.count = number, spec.count
        self._request = request(path, keeps=True)
        self._at = 1 + number * (len(self._request) - 1) // spec.count
        self._wire: Wire | None = None

    async def before(self) -> None:
        self._wire = await Wire.connect(self._address)
        await self._wire.send(self._request)
        await read_response(self._wire, self._due)
        await self._wire.send(self._request[: self._at])

    async def after(self) -> None:
        assert self._wire is not None
        await self._wire.send(self._request[self._at :])
        await read_response(self._wire, self._due)

    def close(self) -> None:
        if self._wire is not None:
            self._wire.close()


class HttpSplitBody(HttpSplit):
    """Sends half of the content of a request before the event, and the rest afterwards.

    The server may close the connection instead, but may not answer half of the content.
    """

    async def before(self) -> None:
        self._request = _post("/echo", self._due)
        head_size = len(self._request) - len(self._due)
        self._at = head_size + self.number * len(self._due) // self.count
        self._wire = await Wire.connect(self._address)
        await self._wire.send(self._request[: self._at])

    async def after(self) -> None:
        try:
            await super().after()
        except LostError as error:
            if error.fault not in (Fault.DROPPED, Fault.RESET):
                raise


class HttpHalfClosed(HttpSplit):
    """Sends a request and an end-of-file, and reads the response only after the event."""

    async def before(self) -> None:
        self._wire = await Wire.connect(self._address, 4096)
        await self._wire.send(self._request)
        self._wire.end_output()
        await self._wire.receive(100)

    async def after(self) -> None:
        assert self._wire is not None
        await read_response(self._wire, self._due)


def request(path: str, *, keeps: bool) -> bytes:
    """A request for a path."""
    close = "" if keeps else "Connection: close\r\n"
    return f"GET {path} HTTP/1.1\r\nHost: handover.test\r\n{close}\r\n".encode()


def _post(path: str, content: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: handover.test\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


async def read_response(wire: Wire, due: bytes, pace_s: float = 0.0) -> None:
    """Read a response, which must be 200 with the content that is due. Raises LostError."""
    _check_head(await wire.take_until(b"\r\n\r\n"), len(due))
    while pace_s and len(wire.received) < len(due):
        if not await wire.receive(32768):
            raise LostError(Fault.DROPPED, f"after {len(wire.received)} of {len(due)} bytes")
        await asyncio.sleep(pace_s)
    compare(await wire.take(len(due)), due)


def _check_head(head: bytes, size: int) -> None:
    length = _LENGTH.search(head)
    if not head.startswith(b"HTTP/1.1 200 ") or length is None or int(length[1]) != size:
        raise LostError(Fault.WRONG, f"{size} bytes are due: {head!r}")
