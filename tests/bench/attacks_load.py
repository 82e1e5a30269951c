"""The attackers, and the crowd of members that make attacks costly; in processes of their own.

An attacker sends a burst of lines, and then some lines each second for as long as the attack lasts.
A process ends by itself after its time.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import selectors
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Final

from tests.bench.chat_members import PATIENCE_S, join, read_until

_BURST: Final = 20
_RATE: Final = 8.0  # lines a second of each attacker: flood control holds back a half
_MAX_S: Final = 900.0  # after which a process ends in any case
_fork: Final = multiprocessing.get_context("fork")


@dataclass(frozen=True, slots=True)
class Attack:
    """The lines that each attacker sends first, and those that it repeats."""

    name: str
    attackers: int
    prepare: Callable[[int], Sequence[str]]
    line: Callable[[int, int], str]
    """The line to send, by the attacker's number and the number of the line."""


@contextlib.contextmanager
def crowd(port: int, count: int) -> Iterator[None]:
    """Members of the channel #bench that read all messages and send none."""
    with _process(_read_as_crowd, port, count):
        yield


@contextlib.contextmanager
def attacking(attack: Attack, port: int, sources: int, seconds: float) -> Iterator[None]:
    """Attack for `seconds` from a number of source addresses, once all attackers are ready."""
    with _process(_attack, attack, port, sources, seconds):
        yield


@contextlib.contextmanager
def _process(work: Callable[..., None], *arguments: object) -> Iterator[None]:
    """Run work in a process of its own; it is ready when it sends a byte, and ends with ours."""
    ours, theirs = _fork.Pipe()
    process = _fork.Process(target=work, args=(theirs, *arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        assert ours.poll(_MAX_S), "the clients are not ready in time"
        ours.recv_bytes()
        yield
    finally:
        process.terminate()
        process.join()
        ours.close()


def _read_as_crowd(ready: Connection, port: int, count: int) -> None:
    socks = join(port, count)
    with selectors.DefaultSelector() as selector:
        for sock in socks:
            selector.register(sock, selectors.EVENT_READ)
        ready.send_bytes(b"!")
        _discard(selector, time.monotonic() + _MAX_S)


def _attack(ready: Connection, attack: Attack, port: int, sources: int, seconds: float) -> None:
    selector = selectors.DefaultSelector()
    attackers = [_Attacker(attack, port, number, sources) for number in range(attack.attackers)]
    for attacker in attackers:
        selector.register(attacker.sock, selectors.EVENT_READ, attacker)
    ready.send_bytes(b"!")
    for attacker in attackers:
        attacker.send(_BURST)
    began, turn = time.monotonic(), 0
    while (now := time.monotonic()) < began + seconds:
        due = began + turn / (_RATE * len(attackers))
        if now >= due:
            attackers[turn % len(attackers)].send(1)
            turn += 1
        else:
            _discard(selector, due)


class _Attacker:
    """One client of an attacker, which connects again when the server closes its connection."""

    def __init__(self, attack: Attack, port: int, number: int, sources: int) -> None:
        self._attack, self._port, self._number = attack, port, number
        self._host = f"127.0.0.{2 + number % sources}"
        self._turn = 0
        self.sock = self._connect()

    def send(self, count: int) -> None:
        """Send lines, as far as the socket takes them."""
        lines = [self._attack.line(self._number, self._turn + index) for index in range(count)]
        self._turn += count
        with contextlib.suppress(OSError):
            self.sock.send("".join(f"{line}\r\n" for line in lines).encode())

    def reconnect(self, selector: selectors.BaseSelector) -> None:
        """Connect again, and attack at once; give up if the server refuses it."""
        selector.unregister(self.sock)
        self.sock.close()
        with contextlib.suppress(OSError, AssertionError):
            self.sock = self._connect()
            selector.register(self.sock, selectors.EVENT_READ, self)

    def _connect(self) -> socket.socket:
        sock = socket.create_connection(
            ("127.0.0.1", self._port), PATIENCE_S, source_address=(self._host, 0)
        )
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        lines = [f"NICK a{self._number}", "USER a 0 * :a", *self._attack.prepare(self._number)]
        sock.sendall("".join(f"{line}\r\n" for line in lines).encode() + b"PING ready\r\n")
        read_until(sock, b"ready\r\n")
        sock.setblocking(False)
        return sock


def _discard(selector: selectors.BaseSelector, until: float) -> None:
    while (now := time.monotonic()) < until:
        for key, _ in selector.select(until - now):
            assert isinstance(key.fileobj, socket.socket)
            try:
                is_open = bool(key.fileobj.recv(1 << 18))
            except BlockingIOError:
                continue
            except OSError:
                is_open = False
            if not is_open and isinstance(key.data, _Attacker):
                key.data.reconnect(selector)
