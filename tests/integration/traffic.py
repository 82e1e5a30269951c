"""Mixed traffic on a running daemon: every service used at once, every failure noted."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Self

from netd.config.address import Address
from tests.support import PATIENCE_S, Daemon, read_all, read_exactly, wait_until
from tests.support import connect as connect_patiently

_REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n"


class Traffic:
    """One thread for each way of using the daemon; `errors` stays empty if nothing is lost."""

    def __init__(self, daemon: Daemon) -> None:
        self.errors: list[str] = []
        self.exchanges: Counter[str] = Counter()
        self._stop = threading.Event()
        echo, datagram, local = (daemon.address("echo", index) for index in range(3))
        web, lounge = daemon.address("web"), daemon.address("lounge")
        users: dict[str, Iterator[None]] = {
            "new http": _new_http(web),
            "kept http": _kept_http(web),
            "new echo": _new_echo(echo),
            "open echo": _open_echo(echo),
            "udp echo": _open_echo(datagram),
            "unix echo": _new_echo(local),
            "open unix echo": _open_echo(local),
            "chat": _chat(lounge),
        }
        for name in users:
            self.exchanges[name] = 0
        self._threads = [
            threading.Thread(target=self._use, args=(name, steps)) for name, steps in users.items()
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def await_progress(self) -> None:
        """Wait until every user has had two more exchanges, or one has failed."""
        before = self.exchanges.copy()
        wait_until(lambda: self.errors or not self._stuck(before), "progress of every user")

    def _stuck(self, before: Counter[str]) -> list[str]:
        return [name for name in before if self.exchanges[name] < before[name] + 2]

    def _use(self, name: str, steps: Iterator[None]) -> None:
        try:
            for _ in steps:
                self.exchanges[name] += 1
                if self._stop.is_set():
                    return
        except (OSError, AssertionError) as error:
            self.errors.append(f"{name} after {self.exchanges[name]}: {error!r}")


def connect(address: Address) -> socket.socket:
    """A client with a time-out of its own, so that a failure shows the name of the client."""
    client = connect_patiently(address)
    client.settimeout(PATIENCE_S / 2)
    return client


def _new_http(address: Address) -> Iterator[None]:
    while True:
        with connect(address) as client:
            client.sendall(_REQUEST + b"Connection: close\r\n\r\n")
            answer = read_all(client)
            assert answer.startswith(b"HTTP/1.1 200 "), answer
        yield


def _kept_http(address: Address) -> Iterator[None]:
    while True:
        with connect(address) as client:
            kept = True
            while kept:
                client.sendall(_REQUEST + b"\r\n")
                head = _read_head(client)
                assert head.startswith(b"HTTP/1.1 200 "), head
                assert len(read_exactly(client, 3)) == 3
                kept = b"connection: close" not in head.lower()
                yield


def _read_head(client: socket.socket) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = client.recv(1)
        assert byte, f"the end came in {head!r}"
        head += byte
    return head


def _new_echo(address: Address) -> Iterator[None]:
    while True:
        with connect(address) as client:
            client.sendall(b"some bytes")
            client.shutdown(1)
            assert read_all(client) == b"some bytes"
        yield


def _open_echo(address: Address) -> Iterator[None]:
    with connect(address) as client:
        while True:
            client.send(b"some bytes")
            assert read_exactly(client, 10) == b"some bytes"
            yield


def _chat(address: Address) -> Iterator[None]:
    with connect(address) as alice, connect(address) as bob:
        for client, nick in ((alice, b"alice"), (bob, b"bob")):
            client.sendall(b"NICK %s\r\nUSER u 0 * :u\r\nJOIN #lounge\r\n" % nick)
            _await_text(client, b" 366 ")
        while True:
            alice.sendall(b"PRIVMSG #lounge :a line\r\n")
            _await_text(bob, b":a line\r\n")
            bob.sendall(b"PING :token\r\n")
            _await_text(bob, b"token")
            yield


def _await_text(client: socket.socket, text: bytes) -> None:
    data = b""
    while text not in data:
        chunk = client.recv(4096)
        assert chunk, f"the end came before {text!r}"
        data += chunk
