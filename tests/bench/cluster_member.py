"""A client of the benchmark of several hosts, in the channel of all members."""

from __future__ import annotations

import select
import socket

_BUFFER_BYTES = 1 << 20
_WAIT_S = 120.0


class Member:
    """A client that registers and joins #bench."""

    def __init__(self, port: int, nick: str) -> None:
        self.nick = nick
        self.sock = socket.create_connection(("127.0.0.1", port), _WAIT_S)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.send(f"NICK {nick}", f"USER {nick} 0 * :x")
        self._read = b""

    def send(self, *lines: str) -> None:
        """Send lines."""
        self.sock.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def await_joined(self) -> None:
        """Join the channel; InspIRCd refuses that before the welcome."""
        self.await_text(b" 001 ")
        self.send("JOIN #bench")
        self.await_text(b" 366 ")

    def await_text(self, text: bytes) -> None:
        """Read until a text has come; what came before it is dropped."""
        while text not in self._read:
            self._receive(len(text))
        self._read = self._read.partition(text)[2]

    def has_text(self, text: bytes, seconds: float) -> bool:
        """Read for some time, or until a text has come."""
        while text not in self._read:
            if not select.select([self.sock], [], [], seconds)[0]:
                return False
            self._receive(len(text))
        return True

    def _receive(self, kept: int) -> None:
        data = self.sock.recv(_BUFFER_BYTES)
        assert data, "the server closed a connection"
        self._read = self._read[-kept:] + data

    def close(self) -> None:
        """Disconnect."""
        self.sock.close()
