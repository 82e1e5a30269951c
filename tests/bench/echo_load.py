"""Loads an echo service with blocking clients, each a process of its own."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from functools import partial

from netd.runtime import process

PIECE = bytes(range(64))
_CHUNK_BYTES = 2**20
_LOST_S = 0.05  # then a datagram is taken for lost
_STALLED = struct.pack(
    "ll", 2, 0
)  # struct timeval: then a server is taken for stuck, as socat's can be

Address = tuple[str, int]
Client = Callable[[Address, float], float]
"""Loads an address until a deadline (time.monotonic); returns the work done."""


def crowd(client: Client, size: int, *, spread: bool = False) -> Callable[[int, float], float]:
    """A Work's load: `size` clients at once; returns the sum of their work per second.

    All clients connect to 127.0.0.1, or with `spread` each client to a different address: an
    address has 28,000 ports to connect from, and a used port is free again after a second.
    """

    def load(port: int, seconds: float) -> float:
        started = time.monotonic()
        outlet, inlet = os.pipe()

        def main(host: str) -> None:
            os.write(inlet, struct.pack("d", client((host, port), started + seconds)))

        hosts = [f"127.0.0.{number + 1 if spread else 1}" for number in range(size)]
        children = [process.spawn(partial(main, host), keep=[inlet]) for host in hosts]
        os.close(inlet)
        with open(outlet, "rb") as reports:
            done: float = sum(value for (value,) in struct.iter_unpack("d", reports.read()))
        elapsed = time.monotonic() - started
        for child in children:
            os.waitid(os.P_PIDFD, child.pidfd, os.WEXITED | os.WNOWAIT)
            assert child.reap() == process.Exit(0, by_signal=False), "a client failed"
        return done / elapsed

    return load


def connect_anew(address: Address, deadline: float) -> float:
    """Connect, send a piece, read it back, close; connections."""
    connections = 0
    while time.monotonic() < deadline:
        with socket.socket() as sock:
            sock.connect(address)
            sock.send(PIECE)
            connections += sock.recv(len(PIECE)) == PIECE
    return connections


def ping(address: Address, deadline: float) -> float:
    """Send a piece and read it back, on one connection; exchanges."""
    exchanges = 0
    buffer = bytearray(len(PIECE))
    with socket.create_connection(address) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        send, receive = sock.send, sock.recv_into
        while time.monotonic() < deadline:
            send(PIECE)
            exchanges += receive(buffer) == len(PIECE)
    assert not exchanges or buffer == PIECE
    return exchanges


def ping_datagrams(sockets: int) -> Client:
    """Keep one datagram on its way in each of so many sockets; exchanges.

    One process sees to all of them, for it hardly ever sleeps then: a process for each would
    spend the machine on switching between them, and hide what the server can do.
    """

    def client(address: Address, deadline: float) -> float:
        exchanges = 0
        buffer = bytearray(len(PIECE))
        with contextlib.ExitStack() as stack:
            epoll = stack.enter_context(select.epoll())
            exchange = {}
            for _ in range(sockets):
                sock = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                sock.connect(address)
                exchange[sock.fileno()] = sock.recv_into, sock.send
                epoll.register(sock, select.EPOLLIN)
            while time.monotonic() < deadline:
                ready = epoll.poll(_LOST_S)
                for fd, _ in ready:
                    receive, send = exchange[fd]
                    exchanges += receive(buffer) == len(PIECE)
                    send(PIECE)
                if not ready:  # at first, and where all were lost
                    for _, send in exchange.values():
                        send(PIECE)
        assert not exchanges or buffer == PIECE
        return exchanges

    return client


def stream(address: Address, deadline: float) -> float:
    """Send as much as fits while reading it back; megabytes that came back.

    What returns is dropped inside the kernel (MSG_TRUNC, tcp(7)): copying it out would cost
    the generator as much as all a server does.
    """
    received = 0
    chunk = bytearray(_CHUNK_BYTES)
    with socket.create_connection(address) as sock:
        for timeout in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            sock.setsockopt(socket.SOL_SOCKET, timeout, _STALLED)

        def send() -> None:
            with contextlib.suppress(BlockingIOError, ConnectionError):
                while time.monotonic() < deadline:
                    sock.sendall(chunk)
                sock.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        with contextlib.suppress(BlockingIOError, ConnectionError):
            while size := sock.recv_into(chunk, 0, socket.MSG_TRUNC):
                received += size
        sender.join()
    return received / 1e6
