"""Accepting: who waits is let in, and being short of descriptors neither spins nor loses."""

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
from netd.runtime.poller import EpollPoller


@dataclass(frozen=True)
class Named:
    name: str
    sock: socket.socket


class Host:
    """An acceptor and whom it let in."""

    def __init__(self) -> None:
        self.loop = Loop(EpollPoller())
        self.acceptor: Acceptor[Named] = Acceptor(self.loop, self._on_accept)
        self.let_in: list[tuple[str, str]] = []
        self.sockets: list[socket.socket] = []

    def _on_accept(self, sock: socket.socket, host: str, listening: Named) -> None:
        self.let_in.append((listening.name, host))
        self.sockets.append(sock)

    def close(self) -> None:
        self.acceptor.replace(())
        self.loop.close()
        for sock in self.sockets:
            sock.close()


@pytest.fixture
def host() -> Iterator[Host]:
    host = Host()
    yield host
    host.close()


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


def test_says_where_and_from_whom(host: Host, tmp_path: Path) -> None:
    path = str(tmp_path / "sock")
    tcp, six, unix = (
        listen("tcp", ("127.0.0.1", 0)),
        listen("six", ("::", 0)),
        listen("unix", path),
    )
    host.acceptor.replace((tcp, six, unix))
    with (
        socket.create_connection(tcp.sock.getsockname()),
        socket.create_connection(("127.0.0.1", six.sock.getsockname()[1])),
        socket.create_connection(("::1", six.sock.getsockname()[1])),
        socket.socket(socket.AF_UNIX) as client,
    ):
        client.connect(path)
        while len(host.let_in) < 4:
            host.loop.turn()
    assert sorted(host.let_in) == [
        ("six", "127.0.0.1"),
        ("six", "::1"),
        ("tcp", "127.0.0.1"),
        ("unix", ""),
    ]
    assert not any(sock.getblocking() for sock in host.sockets)


def test_who_waits_on_a_replaced_socket_is_let_in_first(host: Host) -> None:
    old, new = listen("old", ("127.0.0.1", 0)), listen("new", ("127.0.0.1", 0))
    host.acceptor.replace((old,))
    with (
        socket.create_connection(old.sock.getsockname()),
        socket.create_connection(old.sock.getsockname()),
    ):
        host.acceptor.replace((new,))
        assert host.let_in == [("old", "127.0.0.1")] * 2
    assert old.sock.fileno() == -1


def test_short_of_descriptors_it_rests_and_then_lets_in(
    host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    door = listen("door", ("127.0.0.1", 0))
    host.acceptor.replace((door,))
    with socket.create_connection(door.sock.getsockname()):
        with no_descriptor_left(), caplog.at_level(logging.WARNING, "netd"):
            while host.acceptor.failures < 3:
                host.loop.turn()
            assert not host.let_in
        while not host.let_in:
            host.loop.turn()
    assert caplog.messages == ["cannot accept: Too many open files; connections wait"]


def test_while_it_rests_the_loop_waits(host: Host) -> None:
    door = listen("door", ("127.0.0.1", 0))
    host.acceptor.replace((door,))
    turns = 0
    with socket.create_connection(door.sock.getsockname()), no_descriptor_left():
        while host.acceptor.failures < 3:
            host.loop.turn()
            turns += 1
    assert turns <= 3 * host.acceptor.failures


def test_other_errors_end_the_worker(host: Host) -> None:
    deaf = Named("deaf", socket.socket())
    deaf.sock.setblocking(False)
    host.acceptor.replace((deaf,))
    with pytest.raises(OSError, match="Invalid argument"):
        host.loop.turn()
    deaf.sock.listen()  # so that the fixture can end it
