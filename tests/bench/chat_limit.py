"""A chat server that does next to nothing, to show what the load generator can do.

It knows no names and no channels: what is said by one goes to all others, under a fixed name,
each reader's share of a turn in one piece. Only as much IRC is there as the crowd awaits.
"""

from __future__ import annotations

import contextlib
import select
import socket
import sys

_CHUNK_BYTES = 65536


def main() -> None:
    """Serve the port given."""
    listening = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=1024)
    poll = select.epoll()
    poll.register(listening, select.EPOLLIN)
    members: dict[int, socket.socket] = {}
    while True:
        said: dict[int, bytes] = {}
        for fd, _ in poll.poll():
            if fd == listening.fileno():
                sock, _address = listening.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
                members[sock.fileno()] = sock
                poll.register(sock, select.EPOLLIN)
            elif data := _receive(members[fd]):
                said[fd] = _answer(members[fd], data)
            else:
                poll.unregister(fd)
                members.pop(fd).close()
        _tell(members, said)


def _receive(sock: socket.socket) -> bytes:
    try:
        return sock.recv(_CHUNK_BYTES)
    except ConnectionResetError:  # hung up with something unread
        return b""


def _answer(sock: socket.socket, data: bytes) -> bytes:
    """What of this the others get."""
    if data.startswith(b"PRIVMSG"):
        return data.replace(b"PRIVMSG", b":a!b@127.0.0.1 PRIVMSG")
    _, ping, rest = data.rpartition(b"PING ")
    if ping:
        sock.send(b":limit PONG limit :" + rest)
    return b""


def _tell(members: dict[int, socket.socket], said: dict[int, bytes]) -> None:
    whole = b"".join(said.values())
    if not whole:
        return
    for fd, sock in members.items():
        own = said.get(fd)
        with contextlib.suppress(ConnectionError):  # the next turn's reading tells
            sock.send(b"".join(each for by, each in said.items() if by != fd) if own else whole)


if __name__ == "__main__":
    main()
