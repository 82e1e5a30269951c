"""The attackers, and the crowd of members that make attacks costly; in processes of their own.

An attacker sends a burst of requests, and then some each second for as long as the attack lasts. A
process ends by itself after its time.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import selectors
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Final

BURST: Final = 20
_RATE: Final = 8.0  # requests a second of each attacker: flood control holds back a half
_CROWD_S: Final = 900.0  # after which the crowd leaves in any case
_CONNECT_S: Final = 10.0
_TAIL_BYTES: Final = 100
_RECEIVE_BYTES: Final = 1 << 18
_RESET: Final = struct.pack("ii", 1, 0)  # close(2) sends a reset: socket(7), SO_LINGER
_fork: Final = multiprocessing.get_context("fork")


@dataclass(frozen=True, slots=True)
class Attack:
    """The requests that each attacker sends first, and those that it repeats."""

    name: str
    attackers: int
    greet: Callable[[int], bytes]
    """What an attacker sends when it has connected, by its number."""
    request: Callable[[int, int], bytes]
    """The request to send, by the attacker's number and the number of the request. An attacker that
    has nothing to send closes its connection, and connects again at its next turn."""
    greeted: bytes = b""
    """The end of the server's reply to the greeting, which attackers await before they attack."""
    burst: int = BURST
    is_for_all: bool = True
    """Whether the peers have the attacked feature too."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server's port of 127.0.0.1, and how long the server may take to admit some clients."""

    port: int
    within_s: float


class Client:
    """A connection from a source address."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.sock = socket.create_connection(
            ("127.0.0.1", port), _CONNECT_S, source_address=(host, 0)
        )
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        self.tail = b""
        """The last bytes that were received."""

    def send(self, data: bytes) -> None:
        """Send as much as the socket takes now."""
        with contextlib.suppress(OSError):
            self.sock.send(data)

    def receive(self) -> bytes:
        """The bytes that have arrived; empty if there are none. Raises EOFError at the end."""
        try:
            data = self.sock.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise EOFError from error
        if not data:
            raise EOFError
        self.tail = (self.tail + data)[-_TAIL_BYTES:]
        return data

    def reset(self) -> None:
        """Close the connection without an orderly end, as a machine does that fails."""
        with contextlib.suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.sock.close()


def await_all(clients: Sequence[Client], text: bytes, within_s: float) -> None:
    """Read until each client has received the text."""
    deadline = time.monotonic() + within_s
    missing = set(clients)
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.sock, selectors.EVENT_READ, client)
        while missing:
            left = deadline - time.monotonic()
            assert left > 0, f"{len(missing)} of {len(clients)} clients are not served in time"
            for key, _ in selector.select(left):
                client = key.data
                try:
                    seen = client.tail + client.receive()
                except EOFError:
                    raise AssertionError(f"a client was refused: {client.tail!r}") from None
                if text in seen:
                    missing.discard(client)


class Helper:
    """A process with clients; it is ready when it sends a byte, and ends with this one."""

    def __init__(self, within_s: float, work: Callable[..., None], *arguments: object) -> None:
        """Run `work(ready, *arguments)` in a process, and wait until it is ready."""
        ours, theirs = _fork.Pipe()
        self._process: BaseProcess = _fork.Process(
            target=_run, args=(theirs, work, *arguments), daemon=True
        )
        self._process.start()
        theirs.close()
        with ours:
            try:
                assert ours.poll(within_s), "the clients are not ready in time"
                failure = ours.recv_bytes().decode()
                assert not failure, failure
            except (AssertionError, EOFError):
                self.end()
                raise

    def end(self) -> None:
        """End the process, and with it its connections."""
        self._process.terminate()
        self._process.join()


def _run(ready: Connection, work: Callable[..., None], *arguments: object) -> None:
    try:
        work(ready, *arguments)
    except (AssertionError, OSError) as error:
        with contextlib.suppress(OSError):
            ready.send_bytes(str(error).encode())


@contextlib.contextmanager
def crowd(
    target: Target, count: int, greet: Callable[[int], bytes], greeted: bytes
) -> Iterator[Helper]:
    """Members of the channel #bench that read all messages and send none."""
    helper = Helper(target.within_s, _read_as_crowd, target, count, greet, greeted)
    try:
        yield helper
    finally:
        helper.end()


@contextlib.contextmanager
def attacking(attack: Attack, target: Target, sources: int, seconds: float) -> Iterator[None]:
    """Attack for `seconds` from a number of source addresses, once all attackers are ready."""
    helper = Helper(target.within_s, _attack, attack, target, sources, seconds)
    try:
        yield
    finally:
        helper.end()


def _read_as_crowd(
    ready: Connection,
    target: Target,
    count: int,
    greet: Callable[[int], bytes],
    greeted: bytes,
) -> None:
    clients = []
    for number in range(count):
        clients.append(Client(target.port))
        clients[-1].send(greet(number))
    await_all(clients, greeted, target.within_s)
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.sock, selectors.EVENT_READ, client)
        ready.send_bytes(b"")
        _discard(selector, time.monotonic() + _CROWD_S)


def _attack(
    ready: Connection, attack: Attack, target: Target, sources: int, seconds: float
) -> None:
    selector = selectors.DefaultSelector()
    attackers = [
        _Attacker(selector, attack, target.port, number, sources)
        for number in range(attack.attackers)
    ]
    for attacker in attackers:
        attacker.connect()
    if attack.greeted:
        await_all([attacker.client for attacker in attackers], attack.greeted, target.within_s)
    ready.send_bytes(b"")
    for attacker in attackers:
        attacker.attack(attack.burst)
    began, turn = time.monotonic(), 0
    while (now := time.monotonic()) < began + seconds:
        due = began + turn / (_RATE * len(attackers))
        if now >= due:
            attackers[turn % len(attackers)].attack(1)
            turn += 1
        else:
            _discard(selector, due)


class _Attacker:
    """One client of an attacker; without a connection it connects again at its next turn."""

    def __init__(
        self,
        selector: selectors.BaseSelector,
        attack: Attack,
        port: int,
        number: int,
        sources: int,
    ) -> None:
        self._selector, self._attack, self._port, self._number = selector, attack, port, number
        self._host = f"127.0.0.{2 + number % sources}"
        self._turn = 0
        self._is_connected = False

    def connect(self) -> None:
        """Connect, and send the greeting."""
        self.client = Client(self._port, self._host)
        self._selector.register(self.client.sock, selectors.EVENT_READ, self)
        self._is_connected = True
        self.client.send(self._attack.greet(self._number))

    def attack(self, count: int) -> None:
        """Send requests, as far as the socket takes them."""
        if not self._is_connected:
            with contextlib.suppress(OSError):
                self.connect()
            return
        turns = range(self._turn, self._turn + count)
        self._turn += count
        requests = b"".join(self._attack.request(self._number, turn) for turn in turns)
        if requests:
            self.client.send(requests)
        else:
            self.disconnect()

    def receive(self) -> None:
        """Discard the bytes that have arrived."""
        try:
            self.client.receive()
        except EOFError:
            self.disconnect()

    def disconnect(self) -> None:
        """Reset the connection."""
        self._selector.unregister(self.client.sock)
        self.client.reset()
        self._is_connected = False


def _discard(selector: selectors.BaseSelector, until: float) -> None:
    while (now := time.monotonic()) < until:
        for key, _ in selector.select(until - now):
            try:
                key.data.receive()
            except EOFError:  # of the crowd
                selector.unregister(key.fileobj)
