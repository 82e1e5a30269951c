"""Sends gibibytes through netd's echo and compares the checksums of what went and what came."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from tests.bench import harness_process

_POOL_BYTES = 2**26
_MOST_AT_ONCE = 200_000  # small pieces are copied and large ones spliced: both have their turns
_BUFFER_BYTES = 2**20
_STALLED_S = 30.0
_LISTENER = """
kind = "echo"
address = ["tcp://127.0.0.1:{port}", "unix://{directory}/echo"]
concurrency = "{concurrency}"
"""


@dataclass(frozen=True, slots=True)
class Passage:
    """The result of sending bytes through netd in one direction."""

    way: str
    sent: str  # SHA-256
    received: str
    bytes_received: int
    seconds: float

    @property
    def is_exact(self) -> bool:
        """Whether every byte came back, in its place."""
        return self.sent == self.received

    def __str__(self) -> str:
        verdict = "the same" if self.is_exact else "NOT THE SAME"
        rate = self.bytes_received / 1e6 / self.seconds
        return f"| {self.way} | {self.bytes_received:,} | {rate:,.0f} | {verdict} |"


HEADER = "| way | bytes back | MB/s | SHA-256 |\n|---|--:|--:|---|"


def passages(size: int) -> Iterator[Passage]:
    """Send a number of bytes in each possible way."""
    for concurrency in ("fork", "thread"):
        with tempfile.TemporaryDirectory() as directory:
            port = harness_process.free_port()
            listener = _LISTENER.format(port=port, directory=directory, concurrency=concurrency)
            with harness_process.netd(listener, port):
                for name, family, address in (
                    ("TCP", socket.AF_INET, ("127.0.0.1", port)),
                    ("Unix", socket.AF_UNIX, f"{directory}/echo"),
                ):
                    with socket.socket(family) as sock:
                        sock.settimeout(_STALLED_S)
                        sock.connect(address)
                        yield _pass(f"{concurrency}, {name}", sock, size)


def _pass(way: str, sock: socket.socket, size: int) -> Passage:
    sent, received, count = hashlib.sha256(), hashlib.sha256(), 0
    sender = threading.Thread(target=_send, args=(sock, size, sent))
    started = time.monotonic()
    sender.start()
    buffer = memoryview(bytearray(_BUFFER_BYTES))
    while got := sock.recv_into(buffer):
        received.update(buffer[:got])
        count += got
    sender.join()
    elapsed = time.monotonic() - started
    return Passage(way, sent.hexdigest(), received.hexdigest(), count, elapsed)


def _send(sock: socket.socket, size: int, digest: hashlib._Hash) -> None:
    pool = memoryview(os.urandom(_POOL_BYTES))
    choose = random.randrange
    with contextlib.suppress(ConnectionError):  # the checksums tell
        while size:
            start = choose(_POOL_BYTES - _MOST_AT_ONCE)
            piece = pool[start : start + min(size, choose(1, _MOST_AT_ONCE))]
            digest.update(piece)
            sock.sendall(piece)
            size -= len(piece)
        sock.shutdown(socket.SHUT_WR)
