"""Clients that are connected before a failure and must not notice it, and new ones after it."""

from __future__ import annotations

import contextlib
import itertools
import socket
from collections.abc import Iterator
from typing import Final, Protocol

from netd.config.address import Address
from tests.torture.daemon import Daemon
from tests.torture.scenario import PAGE

_ANSWER_S: Final = 5.0
_REQUEST: Final = b"GET /page.txt HTTP/1.1\r\nHost: torture\r\n\r\n"
_numbers = itertools.count()


class LostError(Exception):
    """A client did not get exactly the bytes that are due."""


class Client(Protocol):
    """A connected client of one listener."""

    listener: str

    def exchange(self) -> None:
        """Send something and compare the reply. Raises LostError or OSError."""

    def close(self) -> None:
        """Close the connection."""


class EchoClient:
    """Gets back what it sends, over a stream or in one datagram."""

    def __init__(self, listener: str, address: Address, timeout_s: float = _ANSWER_S) -> None:
        """Connect. Raises OSError."""
        self.listener = listener
        self._sock = _connect(address, timeout_s)
        self._is_stream = address.scheme.is_stream

    def exchange(self) -> None:
        data = f"piece {next(_numbers)} of a stream".encode()
        self._sock.sendall(data)
        received = _read(self._sock, len(data)) if self._is_stream else self._sock.recv(65536)
        _compare(self.listener, received, data)

    def close(self) -> None:
        self._sock.close()


class ChatClient:
    """A registered member, whose PINGs are answered."""

    def __init__(self, listener: str, address: Address, timeout_s: float = _ANSWER_S) -> None:
        """Connect and register. Raises OSError, LostError."""
        self.listener = listener
        self._sock = _connect(address, timeout_s)
        self._nick = f"t{next(_numbers)}"
        try:
            self._sock.sendall(f"NICK {self._nick}\r\nUSER t 0 * :t\r\n".encode())
            self._sock.sendall(b"PING :registered\r\n")
            self._read_until(b"registered\r\n")
        except (OSError, LostError):
            self._sock.close()
            raise

    def exchange(self) -> None:
        token = f"token-{next(_numbers)}"
        self._sock.sendall(f"PING :{token}\r\nPRIVMSG {self._nick} :{token}\r\n".encode())
        received = self._read_until(f"PRIVMSG {self._nick} :{token}\r\n".encode())
        if b" PONG " not in received or received.count(token.encode()) != 2:
            raise LostError(f"{self.listener}: {received!r} for {token}")

    def _read_until(self, end: bytes) -> bytes:
        received = b""
        while not received.endswith(end):
            received += _read(self._sock, 1)
            if not received or len(received) > 65536:
                raise LostError(f"{self.listener}: {received[-80:]!r} without {end!r}")
        return received

    def close(self) -> None:
        self._sock.close()


class HttpClient:
    """A keep-alive connection that gets a file."""

    def __init__(self, listener: str, address: Address, timeout_s: float = _ANSWER_S) -> None:
        """Connect. Raises OSError."""
        self.listener = listener
        self._sock = _connect(address, timeout_s)

    def exchange(self) -> None:
        self.get(_REQUEST, PAGE)

    def get_status(self) -> None:
        """Get the status route; a response that is not 200 is accepted."""
        self.get(_REQUEST.replace(b"/page.txt", b"/status"), None)

    def get(self, request: bytes, content: bytes | None) -> None:
        """Send a request and read the response, whose content is compared unless it is None."""
        self._sock.sendall(request)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += _read(self._sock, 1)
        [length] = [
            int(line[15:])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length:")
        ]
        received = _read(self._sock, length)
        if content is not None:
            _compare(self.listener, received, content)

    def close(self) -> None:
        self._sock.close()


_KINDS: Final[dict[str, type[EchoClient | ChatClient | HttpClient]]] = {
    "echo": EchoClient,
    "thread": EchoClient,
    "chat": ChatClient,
    "web": HttpClient,
}


def connect_all(daemon: Daemon, timeout_s: float = _ANSWER_S) -> list[Client]:
    """A client at every address of every listener. Raises OSError, LostError, NetdError."""
    clients: list[Client] = []
    try:
        for listener in daemon.status()["listeners"]:
            for text in listener["addresses"]:
                kind = _KINDS[listener["name"]]
                clients.append(kind(listener["name"], Address.parse(text), timeout_s))
    except Exception:
        close_all(clients)
        raise
    return clients


def close_all(clients: list[Client]) -> None:
    """Close all connections."""
    for client in clients:
        client.close()


@contextlib.contextmanager
def new_clients(daemon: Daemon, timeout_s: float) -> Iterator[list[Client]]:
    """A new client at every address, for the context."""
    clients = connect_all(daemon, timeout_s)
    try:
        yield clients
    finally:
        close_all(clients)


def _connect(address: Address, timeout_s: float) -> socket.socket:
    family = socket.AF_UNIX if address.scheme.is_local else socket.AF_INET
    sock = socket.socket(
        family, socket.SOCK_STREAM if address.scheme.is_stream else socket.SOCK_DGRAM
    )
    sock.settimeout(timeout_s)
    try:
        if address.scheme.is_local and not address.scheme.is_stream:
            sock.bind("")  # an abstract address, for the reply
        sock.connect(address.path or (address.host, address.port))
    except OSError:
        sock.close()
        raise
    return sock


def _read(sock: socket.socket, count: int) -> bytes:
    """Read exactly `count` bytes. Raises LostError at an early end."""
    data = bytearray()
    while len(data) < count:
        chunk = sock.recv(count - len(data))
        if not chunk:
            raise LostError(f"the connection ended after {bytes(data)!r}")
        data += chunk
    return bytes(data)


def _compare(listener: str, received: bytes, due: bytes) -> None:
    if received != due:
        raise LostError(f"{listener}: {received!r} in place of {due!r}")
