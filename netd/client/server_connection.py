"""One connection to a server: connects, sends lines, receives messages.

A line that is not UTF-8 is read as Latin-1, which older networks still send.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterable, Sequence
from typing import Final

from netd.client.core.endpoint import Endpoint
from netd.errors import NetdError, RemoteProtocolError
from netd.protocols import irc
from netd.protocols.lines import LineFramer, Overlong

_CHUNK_BYTES: Final = 65536
_MAX_LINE_BYTES: Final = 16384  # message-tags allows 8191 + 512; some servers send more
_MAX_UNSENT_BYTES: Final = 2**20
_CLOSE_S: Final = 1.0
_TLS_ALERT: Final = b"\x15\x03"  # how a TLS server answers what is no TLS (RFC 8446 5.1)
_TLS_HINT: Final = "try --tls"


class ConnectionFailedError(NetdError):
    """The text has the reason, and a hint for a user whose settings have not worked yet."""

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(f"{reason}; {hint}" if hint else reason)
        self.reason = reason


class CannotConnectError(ConnectionFailedError):
    """No server accepted the connection; the reason names the addresses tried."""


class ConnectionLostError(ConnectionFailedError):
    """The connection has ended."""


class ServerConnection:
    """Sends and receives IRC messages over a connected socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._framer = LineFramer(_MAX_LINE_BYTES)
        self._abort_reason = ""
        self._has_received = False

    async def receive(self) -> list[irc.Message]:
        """Wait for data and return its messages. Raises ConnectionLostError at the end."""
        try:
            data = await self._reader.read(_CHUNK_BYTES)
        except OSError as error:
            raise self._lost(_error_text(error)) from error
        if not data:
            raise self._lost("the server closed the connection")
        if not self._has_received and data.startswith(_TLS_ALERT):
            raise ConnectionLostError("the server speaks TLS", _TLS_HINT)
        self._has_received = True
        lines = self._framer.receive(data)
        parsed = [_parse(line) for line in lines if not isinstance(line, Overlong)]
        return [message for message in parsed if message is not None]

    def _lost(self, reason: str) -> ConnectionLostError:
        if self._abort_reason:
            return ConnectionLostError(self._abort_reason)
        is_plain = self._writer.get_extra_info("ssl_object") is None
        may_speak_tls = is_plain and not self._has_received
        return ConnectionLostError(
            reason, f"if it speaks TLS, {_TLS_HINT}" if may_speak_tls else ""
        )

    def send(self, messages: Iterable[irc.Message]) -> None:
        """Queue messages; abort the connection if the server does not read them."""
        self._writer.write(b"".join(map(irc.format_message, messages)))
        if self._writer.transport.get_write_buffer_size() > _MAX_UNSENT_BYTES:
            self.abort("the server does not read from the connection")

    def abort(self, reason: str) -> None:
        """End the connection; `receive` raises ConnectionLostError with this reason."""
        self._abort_reason = self._abort_reason or reason
        self._writer.transport.abort()

    async def close(self) -> None:
        """Close the connection; abort it if the server does not close its side in time."""
        self._writer.close()
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._writer.wait_closed()
        except OSError:  # includes TimeoutError: unread data or an unanswered TLS close
            self._writer.transport.abort()


def _parse(line: bytes) -> irc.Message | None:
    if line.startswith(b"@") and line.find(b" ") >= irc.MAX_CLIENT_TAG_BYTES:
        line = line.partition(b" ")[2]  # more tags than the parser takes: drop them
    try:
        try:
            return irc.parse(line)
        except irc.NotUtf8Error:
            return irc.parse(_from_latin1(line))
    except RemoteProtocolError:
        return None  # not IRC: ignore the line


def _from_latin1(line: bytes) -> bytes:
    """Convert the line to UTF-8, which may be longer: cut it at the end and keep its tags."""
    tags, space, body = line.partition(b" ") if line.startswith(b"@") else (b"", b"", line)
    return tags + space + irc.cut(body.decode("latin-1").encode(), irc.MAX_BODY_BYTES)


async def connect(
    endpoints: Sequence[Endpoint], tls: ssl.SSLContext | None, timeout_s: float
) -> tuple[Endpoint, ServerConnection]:
    """Connect to the first endpoint that accepts. Raises CannotConnectError if none does."""
    failures: list[tuple[Endpoint, OSError]] = []
    for endpoint in endpoints:
        try:
            async with asyncio.timeout(timeout_s):
                return endpoint, ServerConnection(*await _open(endpoint, tls))
        except OSError as error:  # includes TimeoutError
            failures.append((endpoint, error))
    raise _cannot_connect(failures, timeout_s)


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


def _cannot_connect(
    failures: Sequence[tuple[Endpoint, OSError]], timeout_s: float
) -> CannotConnectError:
    if not all(_is_absent(error) for _, error in failures):
        texts = [f"{endpoint}: {_connect_error_text(e, timeout_s)}" for endpoint, e in failures]
        return CannotConnectError("; ".join(texts))
    places = " or ".join(str(endpoint) for endpoint, _ in failures)
    hint = "`netd status` there, or another --host and --port"
    if len(failures) > 1:
        hint = "`netd run`, or name a server with --host"
    return CannotConnectError(f"no server listens at {places}", f"try {hint}")


def _connect_error_text(error: OSError, timeout_s: float) -> str:
    match error:
        case _ if _is_absent(error):
            return "no server listens"
        case TimeoutError():
            return f"no answer in {timeout_s:g} s"
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted: {error.verify_message}; see --ca-file"
        case ssl.SSLError():
            return f"no TLS there ({error.reason})"
    return _error_text(error)


def _is_absent(error: OSError) -> bool:
    return isinstance(error, ConnectionRefusedError | FileNotFoundError)


def _error_text(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
