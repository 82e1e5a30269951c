from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from netd.runtime.loop import Loop
from netd.runtime.poller import READ, EpollPoller
from netd.runtime.tls import TlsStream, open_context
from tests.support import make_certificate


class Server:
    """A TlsStream on a loop, its callbacks' arguments, and a client without I/O of its own."""

    def __init__(self, directory: Path, clock: Callable[[], float] = time.monotonic) -> None:
        files = make_certificate(directory, "one.test")
        self.loop = Loop(EpollPoller(), clock)
        ours, self.sock = socket.socketpair()
        self.got: list[bytes] = []
        self.ends: list[str] = []
        self.closed: list[str] = []
        self.stream = TlsStream(
            self.loop,
            ours,
            context=open_context(files["certificate"], files["key"]),
            on_data=self.got.append,
            on_end=lambda: self.ends.append("end"),
            on_closed=self.closed.append,
            max_unsent_bytes=2**20,
        )
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context(cafile=files["certificate"])
        self.client = context.wrap_bio(self._incoming, self._outgoing, server_hostname="one.test")

    def shake_hands(self) -> None:
        self.greet()
        self.exchange()
        self.client.do_handshake()
        self.exchange()

    def greet(self) -> None:
        """Let the client write its first message."""
        with pytest.raises(ssl.SSLWantReadError):
            self.client.do_handshake()

    def send(self, extra: bytes = b"") -> None:
        """Send what the client has written."""
        self.sock.sendall(self._outgoing.read() + extra)

    def exchange(self, extra: bytes = b"") -> None:
        """Pass what the client has written to the stream, and the other way round."""
        self.send(extra)
        for _ in range(2):  # reading, and writing what follows
            self.loop.call_later(0, lambda: None)
            self.loop.turn()
        self.sock.setblocking(False)
        try:
            while data := self.sock.recv(65536):
                self._incoming.write(data)
            self._incoming.write_eof()
        except BlockingIOError:
            pass
        self.sock.setblocking(True)

    def close(self) -> None:
        self.stream.close("test over")
        self.sock.close()
        self.loop.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    server.close()


def test_data_passes_in_both_directions(server: Server) -> None:
    server.shake_hands()
    server.client.write(b"request")
    server.exchange()
    server.stream.write(b"re")
    server.stream.write(b"ply")
    server.exchange()
    assert server.got == [b"request"]
    assert server.client.read(100) == b"re"
    assert server.client.read(100) == b"ply"
    assert server.stream.bytes_in > len(b"request")


def test_data_written_before_the_handshake_waits_for_it(server: Server) -> None:
    server.stream.write(b"early")
    server.shake_hands()
    assert server.client.read(100) == b"early"


def test_finish_sends_close_notify_after_the_data(server: Server) -> None:
    server.shake_hands()
    server.stream.write(b"last")
    server.stream.finish("done")
    server.exchange()
    assert server.client.read(100) == b"last"
    assert server.client.read(100) == b"", "without close_notify it would be an SSLEOFError"
    assert server.closed == ["done"]


def test_data_that_is_not_tls_ends_the_connection(server: Server) -> None:
    server.exchange(b"GET / HTTP/1.1\r\n\r\n")
    assert len(server.closed) == 1
    assert server.closed[0].startswith("TLS: ")


def test_a_fingerprint_can_be_read_after_an_error(server: Server) -> None:
    assert server.stream.fingerprint() == ""
    server.shake_hands()
    server.exchange(b"\x17\x03\x03\x00\x20" + 32 * b"?")
    assert server.stream.fingerprint() == ""
    assert server.closed


def test_a_handshake_in_a_long_turn_lets_the_other_connections_go_first(tmp_path: Path) -> None:
    clock_s = [0.0]
    server = Server(tmp_path, lambda: clock_s[0])
    unsent: list[int] = []
    first, last = (os.eventfd(1) for _ in range(2))  # ready, in the order in which they are watched
    server.loop.watch(first, READ, lambda _: clock_s.__setitem__(0, clock_s[0] + 1.0))
    server.greet()
    server.send()
    server.loop.watch(last, READ, lambda _: unsent.append(server.stream.unsent_bytes))
    server.loop.turn()
    assert unsent == [0]
    assert server.sock.recv(1, socket.MSG_DONTWAIT)
    server.close()
    for fd in (first, last):
        os.close(fd)
