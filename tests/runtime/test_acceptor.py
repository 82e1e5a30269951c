"""Accepting connections, also when the process has no descriptor left."""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from netd.runtime.acceptor import Acceptor
from netd.runtime.loop import Loop
from netd.runtime.poller import EpollPoller, ReadyList


@dataclass(frozen=True)
class Named:
    name: str
    sock: socket.socket


class CountingPoller(EpollPoller):
    """A poller that counts how often a descriptor was ready."""

    reports = 0

    def poll(self, timeout_s: float) -> ReadyList:
        ready = super().poll(timeout_s)
        self.reports += len(ready)
        return ready


class Accepting:
    """An acceptor, and the connections that it has accepted."""

    def __init__(self) -> None:
        self.poller = CountingPoller()
        self.loop = Loop(self.poller)
        self.acceptor: Acceptor[Named] = Acceptor(self.loop, self._on_accept)
        self.accepted: list[tuple[str, str]] = []
        self.sockets: list[socket.socket] = []

    def _on_accept(self, sock: socket.socket, host: str, listening: Named) -> None:
        self.accepted.append((listening.name, host))
        self.sockets.append(sock)

    def close(self) -> None:
        self.acceptor.replace(())
        self.acceptor.release()
        self.loop.close()
        for sock in self.sockets:
            sock.close()


@pytest.fixture
def accepting() -> Iterator[Accepting]:
    accepting = Accepting()
    yield accepting
    accepting.close()


def listen(name: str, where: tuple[str, int] | str) -> Named:
    family = socket.AF_UNIX if isinstance(where, str) else socket.AF_INET
    if ":" in where[0]:
        family = socket.AF_INET6
    sock = socket.socket(family)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind(where)
    sock.listen()
    sock.setblocking(False)
    return Named(name, sock)


@contextlib.contextmanager
def no_descriptor_left() -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_a_connection_comes_with_its_socket_and_the_peers_host(
    accepting: Accepting, tmp_path: Path
) -> None:
    path = str(tmp_path / "sock")
    tcp, six, unix = (
        listen("tcp", ("127.0.0.1", 0)),
        listen("six", ("::", 0)),
        listen("unix", path),
    )
    accepting.acceptor.replace((tcp, six, unix))
    with (
        socket.create_connection(tcp.sock.getsockname()),
        socket.create_connection(("127.0.0.1", six.sock.getsockname()[1])),
        socket.create_connection(("::1", six.sock.getsockname()[1])),
        socket.socket(socket.AF_UNIX) as client,
    ):
        client.connect(path)
        while len(accepting.accepted) < 4:
            accepting.loop.turn()
    assert sorted(accepting.accepted) == [
        ("six", "127.0.0.1"),
        ("six", "::1"),
        ("tcp", "127.0.0.1"),
        ("unix", ""),
    ]
    assert not any(sock.getblocking() for sock in accepting.sockets)


def test_connections_that_wait_on_a_replaced_socket_are_accepted(accepting: Accepting) -> None:
    old, new = listen("old", ("127.0.0.1", 0)), listen("new", ("127.0.0.1", 0))
    accepting.acceptor.replace((old,))
    with (
        socket.create_connection(old.sock.getsockname()),
        socket.create_connection(old.sock.getsockname()),
    ):
        accepting.acceptor.replace((new,))
        accepting.acceptor.release()
        assert accepting.accepted == [("old", "127.0.0.1")] * 2
    assert old.sock.fileno() == -1


def test_without_descriptors_connections_wait_and_are_accepted_later(
    accepting: Accepting, caplog: pytest.LogCaptureFixture
) -> None:
    listening = listen("tcp", ("127.0.0.1", 0))
    accepting.acceptor.replace((listening,))
    with socket.create_connection(listening.sock.getsockname()):
        caplog.set_level(logging.INFO, "netd")
        with no_descriptor_left():
            while accepting.acceptor.failures < 3:
                accepting.loop.turn()
            assert not accepting.accepted
        assert accepting.acceptor.failure == caplog.messages[0]
        while not accepting.accepted:
            accepting.loop.turn()
    assert not accepting.acceptor.failure
    assert caplog.messages == [
        "cannot accept: Too many open files; connections wait",
        "connections can be accepted again",
    ]


def test_a_pause_causes_no_busy_loop(accepting: Accepting) -> None:
    listening = listen("tcp", ("127.0.0.1", 0))
    accepting.acceptor.replace((listening,))
    with socket.create_connection(listening.sock.getsockname()), no_descriptor_left():
        while accepting.acceptor.failures < 3:
            accepting.loop.turn()
    assert accepting.poller.reports == 1


def test_other_errors_are_raised(accepting: Accepting) -> None:
    closed = Named("closed", socket.socket())
    closed.sock.setblocking(False)
    accepting.acceptor.replace((closed,))
    with pytest.raises(OSError, match="Invalid argument"):
        accepting.loop.run()
    closed.sock.listen()  # so that the fixture can drain it


def test_a_suspended_acceptor_lets_connections_wait(accepting: Accepting) -> None:
    listening = listen("one", ("127.0.0.1", 0))
    accepting.acceptor.replace([listening])
    accepting.acceptor.suspend()
    with socket.create_connection(listening.sock.getsockname()):
        accepting.loop.call_later(0, lambda: None)
        accepting.loop.turn()
        assert not accepting.accepted
        accepting.acceptor.resume()
        while not accepting.accepted:
            accepting.loop.turn()
        assert accepting.accepted == [("one", "127.0.0.1")]
