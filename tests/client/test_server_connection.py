"""ServerConnection on a real socket."""

from __future__ import annotations

import asyncio
import socket

import pytest

from netd.client.core.endpoint import Endpoint
from netd.client.server_connection import CannotConnectError, ConnectionLostError, connect
from netd.protocols.irc import Message
from tests.support import PATIENCE_S

TEXT = "é" * 230  # 460 bytes of UTF-8
TAGS = b"@time=2023-11-15T12:00:00.000Z;msgid=" + b"x" * 500


def receive(line: bytes) -> list[Message]:
    """Return the messages that a client parses from a line of a server."""

    async def talk(port: int) -> list[Message]:
        _, connection = await connect([Endpoint("127.0.0.1", port)], None, PATIENCE_S)
        peer = await asyncio.to_thread(server.accept)
        with peer[0] as sock:
            sock.sendall(line + b"\r\n")
            received = await connection.receive()
        await connection.close()
        return received

    with socket.create_server(("127.0.0.1", 0)) as server:
        return asyncio.run(talk(server.getsockname()[1]))


def test_a_latin_1_line_is_whole_with_and_without_tags() -> None:
    line = b":a!b@c PRIVMSG #x :" + TEXT.encode("latin-1")
    for tags in (b"", TAGS + b" "):
        [message] = receive(tags + line)
        assert message.params == ("#x", TEXT)


def test_hints_are_no_part_of_the_reason_which_reconnecting_clients_show() -> None:
    assert str(CannotConnectError("no server", "try another")) == "no server; try another"
    with pytest.raises(ConnectionLostError) as raised:
        receive_nothing()
    assert raised.value.reason == "the server closed the connection"
    assert str(raised.value) == f"{raised.value.reason}; if it speaks TLS, try --tls"


def receive_nothing() -> None:
    """Connect to a server that closes the connection at once."""

    async def talk(port: int) -> None:
        _, connection = await connect([Endpoint("127.0.0.1", port)], None, PATIENCE_S)
        peer, _ = await asyncio.to_thread(server.accept)
        peer.close()
        try:
            await connection.receive()
        finally:
            await connection.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        asyncio.run(talk(server.getsockname()[1]))
