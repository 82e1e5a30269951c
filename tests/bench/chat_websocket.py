"""Members of one channel that speak WebSocket, as `chat_members` has them without.

The masks of their frames are zero, so that the load generator has little to do.
"""

from __future__ import annotations

import re
import socket
from typing import Final

from tests.bench.chat_members import PATIENCE_S, Members, read_until

_AT_ONCE: Final = 100
_HANDSHAKE: Final = (
    b"GET /chat HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Protocol: text.ircv3.net\r\n\r\n"
)


class WebMembers(Members):
    """Clients in one channel, over WebSocket."""

    form = re.compile(
        rb"\x81(?:[\x00-\x7d]|\x7e..):[^\n]+ PRIVMSG #bench :(.) (.{12}) x{40}", re.DOTALL
    )
    end = b"x"

    def join(self, port: int, count: int) -> list[socket.socket]:
        """Connect members and put them into the channel; all notices have been read."""
        socks: list[socket.socket] = []
        for start in range(0, count, _AT_ONCE):
            new = [_register(port, index) for index in range(start, min(start + _AT_ONCE, count))]
            for sock in new:
                sock.sendall(_frame(b"JOIN #bench") + _frame(b"PING joined"))
            for sock in new:
                read_until(sock, b"joined")
            socks += new
        for sock in socks:
            sock.sendall(_frame(b"PING settled"))
        for sock in socks:
            read_until(sock, b"settled")
            sock.setblocking(False)
        return socks

    def encode(self, line: bytes) -> bytes:
        """A line as a frame."""
        return _frame(line)


def _register(port: int, index: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(_HANDSHAKE)
    read_until(sock, b"\r\n\r\n")
    lines = (b"NICK b%05d" % index, b"USER b 0 * :b", b"PING registered")
    sock.sendall(b"".join(map(_frame, lines)))
    read_until(sock, b"registered")
    return sock


def _frame(line: bytes) -> bytes:
    assert len(line) <= 125
    return bytes((0x81, 0x80 | len(line), 0, 0, 0, 0)) + line
