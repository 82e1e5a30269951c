"""Accepting, counting and draining connections."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from netd.config.address import Address
from netd.config.model import ListenerOptions
from netd.config.schema import read_options
from netd.listeners.connection_set import ConnectionSet
from netd.listeners.kind import ListeningSocket
from netd.runtime.loop import Loop
from netd.runtime.poller import READ, EpollPoller


def options(**fields: Any) -> ListenerOptions:
    return read_options(ListenerOptions, {"kind": "echo", "address": "tcp://127.0.0.1:0", **fields})


class Owner:
    """A service whose connections are plain sockets; a client that sends anything is closed."""

    def __init__(self) -> None:
        self.loop = Loop(EpollPoller())
        self.idle: dict[socket.socket, float] = {}
        self.connections: ConnectionSet[socket.socket] = ConnectionSet(
            self.loop,
            options(),
            self._on_accept,
            close=self.close,
            on_drained=self.loop.stop,
            idle_since=self.idle.get,
        )
        sock = socket.create_server(("127.0.0.1", 0))
        sock.setblocking(False)
        self.sockets = [ListeningSocket(Address.parse("tcp://127.0.0.1:0"), sock)]
        self.connections.listen(self.sockets)
        self.address = sock.getsockname()

    def turn_until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.loop.turn()

    def figures(self) -> dict[str, int]:
        return self.connections.counters().as_dict()

    def limit(self, **fields: Any) -> None:
        """Apply limits to the connections to come."""
        copies = [ListeningSocket(old.address, old.sock.dup()) for old in self.sockets]
        self.connections.reconfigure(options(**fields), copies)

    def _on_accept(self, sock: socket.socket, host: str, _listening: ListeningSocket) -> None:
        if self.connections.admit(host) is not None:
            sock.close()
            return
        self.connections.add(sock, host)
        self.loop.watch(sock.fileno(), READ, lambda _mask: self.close(sock))

    def close(self, sock: socket.socket) -> None:
        self.loop.unwatch(sock.fileno())
        sock.close()
        self.connections.remove(sock)


@pytest.fixture
def owner() -> Iterator[Owner]:
    owner = Owner()
    yield owner
    for connection in owner.connections:
        owner.close(connection)
    owner.connections.listen(())
    owner.connections.release_sockets()
    owner.loop.close()


def test_connections_are_counted_while_they_are_open(owner: Owner) -> None:
    with socket.create_connection(owner.address) as client:
        owner.turn_until(lambda: owner.figures()["connections"] == 1)
        assert len(list(owner.connections)) == 1
        client.send(b"x")
        owner.turn_until(lambda: owner.figures()["connections"] == 0)
    assert owner.figures()["accepted"] == 1


def test_new_limits_apply_to_the_next_connection(owner: Owner) -> None:
    with socket.create_connection(owner.address):
        owner.turn_until(lambda: owner.figures()["connections"] == 1)
        owner.limit(max_connections=1)
        with socket.create_connection(owner.address) as refused:
            owner.turn_until(lambda: owner.figures()["refused"] == 1)
            assert refused.recv(1) == b""


def test_the_connection_that_is_idle_for_longest_makes_room(owner: Owner) -> None:
    owner.limit(max_connections=2)
    with contextlib.ExitStack() as opened:
        clients = [opened.enter_context(socket.create_connection(owner.address)) for _ in "12"]
        owner.turn_until(lambda: owner.figures()["connections"] == 2)
        owner.idle.update(zip(owner.connections, (2.0, 1.0), strict=True))
        opened.enter_context(socket.create_connection(owner.address))
        owner.turn_until(lambda: owner.figures()["accepted"] == 3)
        assert clients[1].recv(1) == b""
        clients[0].send(b"x")
        owner.turn_until(lambda: owner.figures()["connections"] == 1)
    assert owner.figures()["evicted"] == 1
    assert owner.figures()["refused"] == 0


def test_an_address_at_its_limit_evicts_no_connection(owner: Owner) -> None:
    owner.limit(max_connections=1, max_connections_per_address=1)
    with socket.create_connection(owner.address):
        owner.turn_until(lambda: owner.figures()["connections"] == 1)
        owner.idle.update(dict.fromkeys(owner.connections, 1.0))
        with socket.create_connection(owner.address):
            owner.turn_until(lambda: owner.figures()["refused_address_full"] == 1)
    assert owner.figures()["evicted"] == 0


def test_drain_without_connections_stops_at_once(owner: Owner) -> None:
    owner.connections.drain(None)
    owner.loop.run()
    assert owner.connections.is_drained


def test_drain_serves_the_connections_that_wait_and_ends_with_the_last(owner: Owner) -> None:
    with socket.create_connection(owner.address) as waiting:
        owner.connections.drain(None)
        assert owner.figures()["connections"] == 1
        waiting.send(b"x")
        owner.loop.run()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(owner.address)


def test_connections_open_at_the_deadline_are_closed(owner: Owner) -> None:
    with socket.create_connection(owner.address) as client:
        owner.connections.drain(0.05)
        owner.loop.run()
        assert client.recv(1) == b""
    assert owner.figures()["connections"] == 0


def test_an_adopted_connection_counts_as_open_and_not_as_accepted(owner: Owner) -> None:
    owner.limit(max_connections_per_address=1)
    near, far = socket.socketpair()
    with far:
        owner.connections.adopt(near, "127.0.0.1")
        assert (owner.figures()["connections"], owner.figures()["accepted"]) == (1, 0)
        with socket.create_connection(owner.address):
            owner.turn_until(lambda: owner.figures()["refused_address_full"] == 1)
        owner.connections.remove(near)
        near.close()
    assert owner.figures()["connections"] == 0


def test_connections_are_adopted_above_the_limit(owner: Owner) -> None:
    owner.limit(max_connections=1)
    pairs = [socket.socketpair() for _ in "12"]
    for near, far in pairs:
        owner.connections.adopt(near, "")
        far.close()
    assert owner.figures()["connections"] == 2
    for near, _ in pairs:
        owner.connections.remove(near)
        near.close()
