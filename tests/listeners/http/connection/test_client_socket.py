"""Handshakes wait while other connections are served."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from netd.listeners.http.connection.connection import Connection
from netd.listeners.http.connection.connection_state import ConnectionState
from netd.listeners.http.connection.descriptor_table import DescriptorTable
from netd.listeners.http.connection.transport import PlainTransport
from netd.runtime.poller import READ
from tests.listeners.http.connection.owner import Owner
from tests.listeners.http.http_client import Response


class HandshakingTransport(PlainTransport):
    """A transport whose handshake waits for the peer twice."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.steps = 0

    def handshake(self) -> int:
        self.steps += 1
        return READ if self.steps < 3 else 0


@contextmanager
def late_handshake() -> Iterator[tuple[Owner, Connection, HandshakingTransport, socket.socket]]:
    """A connection whose peer has sent in a turn that has taken a second already."""
    clock_s = [0.0]
    owner = Owner(lambda: clock_s[0])
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        transport = HandshakingTransport(ours)
        connection = Connection(owner, ours.fileno(), transport, "")
        connection.start()
        theirs.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        clock_s[0] += 1.0
        connection.on_ready(READ)
        assert transport.steps == 1  # the other connections of the turn come first
        yield owner, connection, transport, theirs
        connection.close()
    owner.loop.close()


def test_a_handshake_in_a_long_turn_continues_at_its_end() -> None:
    with late_handshake() as (owner, connection, transport, peer):
        assert connection.save(DescriptorTable()).state is ConnectionState.HANDSHAKE
        owner.loop.turn()
        assert transport.steps == 2
        owner.loop.turn()
        assert transport.steps == 3
        assert Response(peer).status == 200


def test_a_connection_can_close_while_its_handshake_waits() -> None:
    with late_handshake() as (owner, connection, transport, _):
        connection.close()
        owner.loop.turn()
        assert transport.steps == 1
