"""One connection to a server: connect, lines out, messages in.

It knows the wire and nothing of the conversation. Bytes that are no UTF-8 are taken as Latin-1,
as older networks still send it.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterable, Sequence
from typing import Final

from netd.client.endpoint import Endpoint
from netd.errors import NetdError, RemoteProtocolError
from netd.protocols import irc
from netd.protocols.lines import LineFramer, Overlong

_CHUNK_BYTES: Final = 65536
_MAX_LINE_BYTES: Final = 16384  # message-tags: 8191 of tags and 512; others are more generous
_MAX_UNSENT_BYTES: Final = 2**20
_CLOSE_S: Final = 1.0
_NOBODY: Final = "nobody listens"


class CannotConnectError(NetdError):
    """No server answered; the text says where it was sought and what to try."""


class LostError(NetdError):
    """The connection is gone."""


class Connection:
    """Messages over a connected socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._framer = LineFramer(_MAX_LINE_BYTES)
        self._why = ""

    async def receive(self) -> list[irc.Message]:
        """The messages of the next piece that arrives. Raises LostError at the end."""
        try:
            data = await self._reader.read(_CHUNK_BYTES)
        except OSError as error:
            raise LostError(self._why or (error.strerror or str(error)).lower()) from error
        if not data:
            raise LostError(self._why or "the server closed the connection")
        lines = self._framer.receive(data)
        read = [_read(line) for line in lines if not isinstance(line, Overlong)]
        return [message for message in read if message is not None]

    def send(self, messages: Iterable[irc.Message]) -> None:
        """Queue messages; they go as the socket takes them."""
        self._writer.write(b"".join(map(irc.format_message, messages)))
        if self._writer.transport.get_write_buffer_size() > _MAX_UNSENT_BYTES:
            self.abort("the server does not read what we send")

    def abort(self, why: str) -> None:
        """Give the connection up: `receive` raises LostError with this reason."""
        self._why = self._why or why
        self._writer.transport.abort()

    async def close(self) -> None:
        """Close; what the other end makes of it no longer matters."""
        self._writer.close()
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._writer.wait_closed()
        except OSError:  # TimeoutError is one: it reads nothing, nor does it end its TLS
            self._writer.transport.abort()


def _read(line: bytes) -> irc.Message | None:
    if line.startswith(b"@") and line.find(b" ") >= irc.MAX_CLIENT_TAG_BYTES:
        line = line.partition(b" ")[2]  # tags nobody needs that many of
    try:
        try:
            return irc.parse(line)
        except irc.NotUtf8Error:
            return irc.parse(_from_latin1(line))
    except RemoteProtocolError:
        return None  # no IRC: as if it had not been said


def _from_latin1(line: bytes) -> bytes:
    """The line in UTF-8, in which it may be longer: cut where it ends, its tags kept."""
    tags, space, body = line.partition(b" ") if line.startswith(b"@") else (b"", b"", line)
    return tags + space + irc.cut(body.decode("latin-1").encode(), irc.MAX_BODY_BYTES)


async def connect(
    endpoints: Sequence[Endpoint], tls: ssl.SSLContext | None, timeout_s: float
) -> tuple[Endpoint, Connection]:
    """Connect to the first endpoint that answers; CannotConnectError if none does."""
    failures: list[tuple[Endpoint, str]] = []
    for endpoint in endpoints:
        try:
            async with asyncio.timeout(timeout_s):
                return endpoint, Connection(*await _open(endpoint, tls))
        except OSError as error:  # TimeoutError is one
            failures.append((endpoint, _why(error, timeout_s)))
    raise CannotConnectError(_told(failures))


async def _open(
    endpoint: Endpoint, tls: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if endpoint.path:
        return await asyncio.open_unix_connection(
            endpoint.path, ssl=tls, server_hostname="localhost" if tls else None
        )
    reader, writer = await asyncio.open_connection(
        endpoint.host, endpoint.port, ssl=tls, happy_eyeballs_delay=0.25
    )
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return reader, writer


def _why(error: OSError, timeout_s: float) -> str:
    match error:
        case ConnectionRefusedError() | FileNotFoundError():
            return _NOBODY
        case TimeoutError():
            return f"no answer in {timeout_s:g} s"
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted: {error.verify_message}"
        case ssl.SSLError():
            return f"no TLS there ({error.reason})"
    return (error.strerror or str(error)).lower()


def _told(failures: Sequence[tuple[Endpoint, str]]) -> str:
    if any(why != _NOBODY for _, why in failures):
        return "; ".join(f"{endpoint}: {why}" for endpoint, why in failures)
    places = " nor ".join(str(endpoint) for endpoint, _ in failures)
    if len(failures) > 1:
        return f"nobody listens at {places}; try `netd run`, or name a server with --host"
    return f"nobody listens at {places}; try `netd status` there, or another --host and --port"
