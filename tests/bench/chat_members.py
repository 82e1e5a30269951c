"""Members of one channel, as both loads of the chat benchmark need them.

The kernel discards the received bytes (MSG_TRUNC): real members read on machines of their own, so
their reading must take little time from the server here. One member, the observer, does not send,
and its lines are read; they show the order of the channel's messages. All lines are equally long,
so a count of bytes is a count of lines.
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

PATIENCE_S: Final = 20.0
_BUFFER_BYTES: Final = 1 << 20
_LETTERS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_TIME_BYTES: Final = 12
_LINE: Final = b"PRIVMSG #bench :%c %012.6f " + b"x" * 40
_RECEIVED: Final = re.compile(rb":[^\n]+ PRIVMSG #bench :(.) (.{12}) [^\n]+\n")
_JOIN_AT_ONCE: Final = 100
_DISCARD_BYTES: Final = 65536

Ready = Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Measured:
    """Deliveries in some seconds, their latencies, and all deliveries until the load had ended."""

    deliveries: int
    seconds: float
    latencies_ms: Sequence[float]  # sorted
    deliveries_in_all: int

    def latency(self, share: float) -> float:
        """The latency that this share of the messages did not exceed."""
        return self.latencies_ms[int(len(self.latencies_ms) * share)]


class Members:
    """Clients in one channel. The first few are senders; a letter in the text names a sender."""

    form = _RECEIVED
    """A line as it is received, with the letter and the time."""
    end = b"\n"
    """The last byte of a line as it is received."""

    def __init__(self, port: int, count: int, senders: int) -> None:
        """Connect and join; returns when all notices of that have arrived."""
        self._socks = self.join(port, count)
        self._started = time.perf_counter()
        self._buffer = bytearray(_BUFFER_BYTES)
        self.observer = self._socks[max(senders, count // 2)]
        self.senders = dict(zip(_LETTERS[:senders], self._socks, strict=False))
        self.received = {sock.fileno(): 0 for sock in self._socks}
        """Bytes, by descriptor."""
        self.sent = Counter(dict.fromkeys(self.senders, 0))
        """Lines, by letter."""
        self.poll = select.epoll()
        self._readers = {}
        for sock in self._socks:
            self._readers[sock.fileno()] = sock.recv_into
            self.poll.register(sock, select.EPOLLIN)
        self._partial = b""
        self._learn_form()

    def join(self, port: int, count: int) -> list[socket.socket]:
        """Connect members and put them into the channel."""
        return join(port, count)

    def encode(self, line: bytes) -> bytes:
        """A line as a member sends it."""
        return line + b"\r\n"

    @property
    def deliveries(self) -> int:
        """How many lines members have received, together."""
        return sum(self.received.values()) // self.line_bytes

    def send(self, letter: int, count: int) -> None:
        """Send lines from a sender."""
        line = self.encode(_LINE % (letter, time.perf_counter() - self._started))
        self.senders[letter].sendall(line * count)
        self.sent[letter] += count

    def read(self, ready: Ready) -> bytes:
        """Read the bytes that these members have received; returns the observer's lines."""
        buffer, readers, received = self._buffer, self._readers, self.received
        observer, lines = self.observer.fileno(), b""
        for fd, _ in ready:
            if fd == observer:
                lines = self.observe()
                continue
            size = readers[fd](buffer, _BUFFER_BYTES, socket.MSG_TRUNC)  # tcp(7): not copied
            assert size, "the server closed a connection"
            received[fd] += size
        return lines

    def observe(self) -> bytes:
        """Read the lines that the observer has received."""
        data = self.observer.recv(_BUFFER_BYTES)
        assert data, "the server closed a connection"
        self.received[self.observer.fileno()] += len(data)
        data = self._partial + data
        count, rest = divmod(len(data), self.line_bytes)
        whole = len(data) - rest
        self._partial = data[whole:]
        assert data[self.line_bytes - 1 : whole : self.line_bytes] == self.end * count
        return data[:whole]

    def letters(self, lines: bytes) -> bytes:
        """The senders of lines, in order."""
        return lines[self._letter_at :: self.line_bytes]

    def ages_ms(self, lines: bytes, step: int) -> Iterator[float]:
        """The age of every `step`-th line, in milliseconds since it was sent."""
        now = time.perf_counter() - self._started
        for at in range(self._time_at, len(lines), self.line_bytes * step):
            yield (now - float(lines[at : at + _TIME_BYTES])) * 1000

    def settle(self) -> None:
        """Read until every member has every line that the others sent, and not one more."""
        expected = dict.fromkeys(self.received, self.sent.total() * self.line_bytes)
        for letter, sock in self.senders.items():
            expected[sock.fileno()] -= self.sent[letter] * self.line_bytes
        deadline = time.monotonic() + PATIENCE_S
        while self.received != expected:
            assert time.monotonic() < deadline, "members have not the lines they should have"
            self.read(self.poll.poll(PATIENCE_S))

    def close(self) -> None:
        """Disconnect."""
        self.poll.close()
        for sock in self._socks:
            sock.close()

    def _learn_form(self) -> None:
        """Find the length of a received line, and the positions of its letter and its time."""
        self.send(next(iter(self.senders)), 1)
        line = b""
        self.observer.settimeout(PATIENCE_S)
        while not (form := self.form.fullmatch(line)):
            data = self.observer.recv(_BUFFER_BYTES)
            assert data, line
            line += data
        self.observer.setblocking(False)
        self.line_bytes, self._letter_at, self._time_at = len(line), form.start(1), form.start(2)
        self.received[self.observer.fileno()] = len(line)
        self.settle()


def join(port: int, count: int, letter: str = "b") -> list[socket.socket]:
    """Connect members and put them into the channel; all notices of that have been read."""
    socks: list[socket.socket] = []
    for start in range(0, count, _JOIN_AT_ONCE):
        indexes = range(start, min(start + _JOIN_AT_ONCE, count))
        new = [_register(port, f"{letter}{index:05}") for index in indexes]
        for sock in new:
            sock.sendall(b"JOIN #bench\r\nPING joined\r\n")
        for sock in new:
            read_until(sock, b"joined\r\n")
            sock.setblocking(False)
        discard(socks)
        socks += new
    for sock in socks:
        sock.settimeout(PATIENCE_S)
        sock.sendall(b"PING settled\r\n")
    for sock in socks:
        read_until(sock, b"settled\r\n")
        sock.setblocking(False)
    return socks


def discard(socks: Sequence[socket.socket]) -> None:
    """Read the bytes that have arrived, so that no server has to keep them."""
    for sock in socks:
        with contextlib.suppress(BlockingIOError):
            sock.recv(_DISCARD_BYTES)


def _register(port: int, nick: str) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(f"NICK {nick}\r\nUSER b 0 * :b\r\nPING registered\r\n".encode())
    read_until(sock, b"registered\r\n")
    return sock


def read_until(sock: socket.socket, text: bytes) -> None:
    """Read until the text has arrived; the rest of what arrived is dropped."""
    seen = b""
    while text not in seen:
        data = sock.recv(_BUFFER_BYTES)
        assert data, seen
        seen = seen[-100:] + data
