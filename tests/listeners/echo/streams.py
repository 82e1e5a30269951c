"""Clients that hold echo connections for long, and notice each byte that is lost or doubled."""

from __future__ import annotations

import hashlib
import itertools
import random
import socket
import threading
import time
from collections.abc import Callable

from tests.support import PATIENCE_S, read_exactly

_PIECE = bytes(range(64))


class Client:
    """A connection that exchanges bytes in threads until `finish`, which checks them."""

    def __init__(self, sock: socket.socket, *parts: Callable[[Client], object]) -> None:
        self.sock = sock
        self.stop = threading.Event()
        self.sent = 0
        self.received = 0
        self._hashes = hashlib.sha256(), hashlib.sha256()
        self._failure: list[BaseException] = []
        self._threads = [threading.Thread(target=self._run, args=(part,)) for part in parts]
        for thread in self._threads:
            thread.start()

    def send(self, data: bytes) -> None:
        """Send and remember."""
        self.sock.sendall(data)
        self._hashes[0].update(data)
        self.sent += len(data)

    def take(self, data: bytes) -> None:
        """Remember what has come back."""
        self._hashes[1].update(data)
        self.received += len(data)

    def finish(self) -> None:
        """Stop sending, and check that exactly the sent bytes have come back."""
        self.stop.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive(), f"stuck with {self.received} of {self.sent} bytes"
        self.sock.close()
        assert not self._failure, self._failure
        assert self.received == self.sent > 0
        assert self._hashes[0].digest() == self._hashes[1].digest()

    def _run(self, part: Callable[[Client], object]) -> None:
        try:
            part(self)
        except BaseException as error:  # noqa: BLE001 (shown by `finish`)
            self._failure.append(error)


def ping(client: Client) -> None:
    """Exchange 64 bytes at a time."""
    while not client.stop.is_set():
        client.send(_PIECE)
        client.take(read_exactly(client.sock, len(_PIECE)))
    client.sock.shutdown(socket.SHUT_WR)
    assert client.sock.recv(1) == b""


def write_fast(client: Client) -> None:
    """Send large pieces as fast as the socket takes them, then end-of-file."""
    for number in itertools.count():
        if client.stop.is_set():
            break
        client.send(number.to_bytes(8, "big") * random.choice((100, 10_000, 60_000)))
    client.sock.shutdown(socket.SHUT_WR)


def write_once(size: int) -> Callable[[Client], None]:
    """Send so many bytes and end-of-file at once."""

    def write(client: Client) -> None:
        client.send(random.randbytes(size))
        client.sock.shutdown(socket.SHUT_WR)

    return write


def read_fast(client: Client) -> None:
    """Read until the end-of-file."""
    while data := client.sock.recv(2**20):
        client.take(data)


def read_slowly(client: Client) -> None:
    """Read a little at a time, while the other thread sends."""
    while data := client.sock.recv(random.randrange(1, 200_000)):
        client.take(data)
        if not client.stop.is_set():
            time.sleep(0.005)
