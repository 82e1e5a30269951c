"""The clients of the soak: held and new connections of each kind, a thread for each client.

A client sends something, checks the reply, and pauses. It connects again after a failure, and
reports the failure unless the worker of its listener was killed meanwhile.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

CHANNEL: Final = "#soak"
_HOST: Final = "127.0.0.1"
_REPLY_S: Final = 20.0
_HELD_EXCHANGES: Final = 200  # of an echo connection, until it is closed and opened again
_STAY_EXCHANGES: Final = 10  # of a member that leaves again
_FOREVER: Final = 1 << 62
_PAUSE_S: Final = 0.1
_SAID: Final = re.compile(rb":(\S+) PRIVMSG #soak :(\d+)\r\n")  # history has the time before it
_numbers = itertools.count()


class WrongReplyError(Exception):
    """A client did not get exactly the bytes that are due."""


class Client(Protocol):
    """A connected client."""

    def exchange(self) -> bool:
        """Send something and check the reply; return whether to stay connected."""

    def close(self) -> None:
        """Close the connection."""


class _Echo:
    """Gets back what it sends, `exchanges` times."""

    def __init__(self, port: int, exchanges: int) -> None:
        self._sock = socket.create_connection((_HOST, port), _REPLY_S)
        self._left = exchanges

    def exchange(self) -> bool:
        data = f"piece {next(_numbers)} of a stream".encode()
        self._sock.sendall(data)
        received = self._sock.recv(len(data), socket.MSG_WAITALL)
        if received != data:
            raise WrongReplyError(f"{received!r} in place of {data!r}")
        self._left -= 1
        return self._left > 0

    def close(self) -> None:
        self._sock.close()


class _Http:
    """Gets the pages in turn, over one connection or over new ones."""

    def __init__(self, port: int, paths: Iterator[str], *, keeps: bool) -> None:
        self._connection = http.client.HTTPConnection(_HOST, port, timeout=_REPLY_S)
        self._paths, self._keeps, self._is_fresh = paths, keeps, True

    def exchange(self) -> bool:
        path = next(self._paths)
        try:
            self._get(path)
        except (http.client.RemoteDisconnected, ConnectionError):
            if self._is_fresh:
                raise
            self._connection.close()  # the server closed an idle connection: RFC 9112 section 9.3.1
            self._get(path)
        self._is_fresh = False
        return self._keeps

    def _get(self, path: str) -> None:
        self._connection.request("GET", path)
        response = self._connection.getresponse()
        content = response.read()
        if response.status != http.client.OK or not content:
            raise WrongReplyError(f"{path}: {response.status}")

    def close(self) -> None:
        self._connection.close()


class _Member:
    """A member of the channel; the numbers in each other member's lines must have no gap."""

    def __init__(self, port: int, exchanges: int, *, talks: bool) -> None:
        self._sock = socket.create_connection((_HOST, port), _REPLY_S)
        self._lines = self._sock.makefile("rb")
        self._left, self._talks = exchanges, talks
        self._heard: dict[bytes, int] = {}
        self._said = 0
        self._send(f"NICK s{next(_numbers)}", "USER s 0 * :s")
        self._sync()
        self._send(f"JOIN {CHANNEL}")

    def exchange(self) -> bool:
        if self._talks:
            self._said += 1
            self._send(f"PRIVMSG {CHANNEL} :{self._said}")
        elif self._left % 2:
            self._send(f"PART {CHANNEL}")
        else:
            self._heard.clear()
            self._send(f"JOIN {CHANNEL}")
        self._sync()
        self._left -= 1
        return self._left > 0

    def close(self) -> None:
        self._lines.close()
        self._sock.close()

    def _send(self, *lines: str) -> None:
        self._sock.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def _sync(self) -> None:
        """Read all lines until the reply to a PING."""
        token = f"t{next(_numbers)}"
        self._send(f"PING {token}")
        while not (line := self._lines.readline()).endswith(f"{token}\r\n".encode()):
            if not line:
                raise WrongReplyError("the connection of a member has ended")
            self._check(line)

    def _check(self, line: bytes) -> None:
        if said := _SAID.fullmatch(line):
            source, number = said[1], int(said[2])
            last = self._heard.get(source, number - 1)
            self._heard[source] = number
            if number != last + 1:
                raise WrongReplyError(f"line {number} of {source!r} after {last}")
        elif line.startswith(b"PING"):
            self._sock.sendall(b"PONG" + line[4:])


@dataclass(frozen=True, slots=True)
class _Group:
    """Clients of a listener that do the same."""

    listener: str
    count: int
    pause_s: float
    connect: Callable[[], Client]


def _groups(echo: int, lounge: int, web: int) -> list[_Group]:
    """All clients, by the listeners' ports."""
    pages = itertools.cycle(["/"])
    polled = itertools.cycle(["/status", "/metrics"])
    return [
        _Group("echo", 6, _PAUSE_S, lambda: _Echo(echo, _HELD_EXCHANGES)),
        _Group("echo", 2, _PAUSE_S, lambda: _Echo(echo, 1)),
        _Group("lounge", 10, 1.0, lambda: _Member(lounge, _FOREVER, talks=True)),
        _Group("lounge", 4, 1.0, lambda: _Member(lounge, _STAY_EXCHANGES, talks=False)),
        _Group("web", 4, _PAUSE_S, lambda: _Http(web, pages, keeps=True)),
        _Group("web", 2, _PAUSE_S, lambda: _Http(web, pages, keeps=False)),
        _Group("web", 1, 1.0, lambda: _Http(web, polled, keeps=True)),
    ]


class Clients:
    """All clients, which run until they are closed."""

    def __init__(self, ports: Mapping[str, int]) -> None:
        self.errors: list[str] = []
        """Of clients whose worker was not killed."""
        self.lost = 0
        """The number of connections that ended with their worker."""
        self.exchanges = 0
        self._kills = dict.fromkeys(ports, 0)
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(group,), daemon=True)
            for group in _groups(**ports)
            for _ in range(group.count)
        ]
        for thread in self._threads:
            thread.start()

    @contextlib.contextmanager
    def touching(self, listener: str) -> Iterator[None]:
        """Kill a worker of the listener in this context: it ends connections of that time."""
        self._kills[listener] += 1
        yield
        self._kills[listener] += 1

    def close(self) -> None:
        """End the clients."""
        self._ended.set()
        for thread in self._threads:
            thread.join(_REPLY_S)

    def _run(self, group: _Group) -> None:
        while not self._ended.is_set():
            kills = self._kills[group.listener]
            try:
                with contextlib.closing(group.connect()) as client:
                    while self._exchange(client) and not self._ended.wait(group.pause_s):
                        pass
            except (OSError, http.client.HTTPException, WrongReplyError) as error:
                if kills == self._kills[group.listener]:
                    self.errors.append(f"{group.listener}, {time.strftime('%T')}: {error!r}")
                else:
                    self.lost += 1
            self._ended.wait(group.pause_s)

    def _exchange(self, client: Client) -> bool:
        is_to_stay = client.exchange()
        self.exchanges += 1
        return is_to_stay
