"""`python -m tests.bench.chat_fanout PORT`: the least that a chat server can do, as a measure.

Every line goes to every client but its sender: no nicks, no channels, no limits, and a client
that does not read stops all. Of IRC it speaks what the loads need.
"""

from __future__ import annotations

import select
import socket
import sys
from typing import Final

_RECEIVE_BYTES: Final = 65536
_PRIVMSG, _PING = b"PRIVMSG ", b"PING "


class Clients:
    """The connections, and what each has sent of a line that is not complete."""

    def __init__(self, port: int) -> None:
        self._listening = socket.create_server(("127.0.0.1", port), backlog=1024)
        self._listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._poll = select.epoll()
        self._poll.register(self._listening, select.EPOLLIN)
        self._socks: dict[int, socket.socket] = {}
        self._partial: dict[int, bytes] = {}

    def turn(self) -> None:
        """Read what there is, and send all of it to everybody else."""
        said: dict[int, bytes] = {}
        for fd, _ in self._poll.poll():
            if fd == self._listening.fileno():
                self._accept()
            else:
                said[fd] = self._receive(fd)
        everything = b"".join(said.values())
        if everything:
            for fd, sock in self._socks.items():
                own = said.get(fd)
                sock.sendall(_without(said, fd) if own else everything)

    def _accept(self) -> None:
        sock, _ = self._listening.accept()
        self._socks[sock.fileno()] = sock
        self._partial[sock.fileno()] = b""
        self._poll.register(sock, select.EPOLLIN)

    def _receive(self, fd: int) -> bytes:
        """Answer what only its sender hears of; returns the lines for everybody else."""
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


def _without(said: dict[int, bytes], own: int) -> bytes:
    return b"".join([lines for fd, lines in said.items() if fd != own])


def main() -> None:
    """Serve until the process is ended."""
    clients = Clients(int(sys.argv[1]))
    while True:
        clients.turn()


if __name__ == "__main__":
    main()
