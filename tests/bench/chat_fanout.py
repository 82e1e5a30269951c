"""`python -m tests.bench.chat_fanout PORT`: a trivial chat server, which shows the upper limit.

It sends a line to all clients but its sender. It has no nicks, channels or limits, and a client
that does not read stops it. It speaks as much IRC as the loads need.
"""

from __future__ import annotations

import select
import socket
import sys
from typing import Final

_RECEIVE_BYTES: Final = 65536
_PRIVMSG, _PING = b"PRIVMSG ", b"PING "


class Clients:
    """The connections, and the incomplete line that a connection has sent last."""

    def __init__(self, port: int) -> None:
        self._listening = socket.create_server(("127.0.0.1", port), backlog=1024)
        self._listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._poll = select.epoll()
        self._poll.register(self._listening, select.EPOLLIN)
        self._socks: dict[int, socket.socket] = {}
        self._partial: dict[int, bytes] = {}

    def turn(self) -> None:
        """Wait for lines, read them, and send them to the other clients."""
        messages: dict[int, bytes] = {}
        for fd, _ in self._poll.poll():
            if fd == self._listening.fileno():
                self._accept()
            else:
                messages[fd] = self._receive(fd)
        everything = b"".join(messages.values())
        if everything:
            for fd, sock in self._socks.items():
                sock.sendall(_without(messages, fd) if messages.get(fd) else everything)

    def _accept(self) -> None:
        sock, _ = self._listening.accept()
        self._socks[sock.fileno()] = sock
        self._partial[sock.fileno()] = b""
        self._poll.register(sock, select.EPOLLIN)

    def _receive(self, fd: int) -> bytes:
        """Reply to PINGs; returns the messages for the other clients."""
        data = self._socks[fd].recv(_RECEIVE_BYTES)
        if not data:
            self._poll.unregister(fd)
            self._socks.pop(fd).close()
            return b""
        *lines, self._partial[fd] = (self._partial[fd] + data).split(b"\n")
        for line in lines:
            if line.startswith(_PING):
                self._socks[fd].sendall(b"PONG " + line.removeprefix(_PING) + b"\n")
        source = b":b%05d!~b@127.0.0.1 " % fd
        return b"".join([source + line + b"\n" for line in lines if line.startswith(_PRIVMSG)])


def _without(messages: dict[int, bytes], own: int) -> bytes:
    return b"".join([lines for fd, lines in messages.items() if fd != own])


def main() -> None:
    """Serve until the process is ended."""
    clients = Clients(int(sys.argv[1]))
    while True:
        clients.turn()


if __name__ == "__main__":
    main()
