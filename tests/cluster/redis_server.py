"""A real Redis or Valkey server on a Unix socket, which a test can kill, freeze and empty."""

from __future__ import annotations

import contextlib
import random
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from netd.listeners.chat.cluster.engine_address import EngineAddress
from netd.listeners.chat.cluster.resp import (
    Argument,
    Reply,
    ReplyError,
    make_reader,
    pack,
)
from tests.programs import find, require
from tests.support import PATIENCE_S, wait_until

on_each_engine = pytest.mark.parametrize("redis", ["redis-server", "valkey-server"], indirect=True)
"""Runs a test with Redis and with Valkey."""


class RedisServer:
    """One server; its data are in a directory, so they survive `kill` and `start`."""

    def __init__(
        self,
        directory: Path,
        *words: str,
        durable: bool = True,
        program: str = "redis-server",
    ) -> None:
        """Start a server; with `durable` it loses nothing that it has acknowledged.

        `words` are more options. It listens on a Unix socket, and on TCP if they name a port.
        """
        require(program)
        self._program = program
        directory.mkdir(exist_ok=True)
        self.path = directory / "redis.sock"
        self._directory = directory
        appends = "yes" if durable else "no"
        listens = () if "--port" in words else ("--port", "0")
        self._words = ("--appendonly", appends, "--appendfsync", "always", *listens, *words)
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def address(self) -> EngineAddress:
        """Its Unix socket."""
        return EngineAddress(path=str(self.path))

    def start(self) -> None:
        """Start it, and wait until it serves."""
        program = find(self._program)
        assert program is not None
        words = ["--unixsocket", str(self.path), "--dir", str(self._directory), "--save", ""]
        log = self._directory / "redis.log"
        arguments = [program, *words, *self._words, "--logfile", str(log)]
        self._process = subprocess.Popen(arguments)
        wait_until(self._serves, self._program)

    def kill(self) -> None:
        """End it as a crash does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(PATIENCE_S)
        self.path.unlink(missing_ok=True)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, such as SIGSTOP."""
        assert self._process is not None
        self._process.send_signal(number)

    def call(self, *arguments: Argument) -> Reply:
        """Execute a command on a connection of its own."""
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(PATIENCE_S)
        try:
            sock.connect(str(self.path))
        except OSError:
            sock.close()
            raise
        return call(sock, *arguments)

    def _serves(self) -> bool:
        try:
            return bool(self.call("PING"))
        except OSError:
            return False
        except ReplyError as error:
            return error.code == "NOAUTH"


def call(sock: socket.socket, *arguments: Argument) -> Reply:
    """Execute a command on a connection, and close it. Raises ReplyError."""
    reader = make_reader()
    with sock:
        sock.sendall(pack(*arguments))
        while (reply := reader.gets()) is False:
            data = sock.recv(65536)
            assert data, "the connection was closed"
            reader.feed(data)
    if isinstance(reply, Exception):
        raise reply
    return reply


class Sentinel:
    """A redis-sentinel that watches one master, and promotes its replica on request.

    It never finds by itself that the master is gone: a busy one does not reply for long.
    """

    def __init__(self, directory: Path, host: str, port: int, master_port: int) -> None:
        """Start it; `host` is that of the master, too."""
        program = find("redis-server")
        assert program is not None
        file = directory / "sentinel.conf"
        file.write_text(
            f"bind {host}\nport {port}\ndir {directory}\n"
            f"sentinel monitor example {host} {master_port} 1\n"
            "sentinel down-after-milliseconds example 600000\n"
        )
        self.address = EngineAddress(host, port)
        self._name = (host, port)
        log = directory / "sentinel.log"
        self._log = log
        self._process = subprocess.Popen([program, str(file), "--sentinel", "--logfile", str(log)])

    @property
    def knows_replica(self) -> bool:
        """Whether it could promote a replica."""
        return self._log.exists() and "+slave" in self._log.read_text()

    def fail_over(self) -> bool:
        """Have it promote the replica; return whether it has begun to."""
        try:
            call(
                socket.create_connection(self._name, PATIENCE_S), "SENTINEL", "FAILOVER", "example"
            )
        except ReplyError:  # it does not know enough of the replica yet
            return False
        return True

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait(PATIENCE_S)


def free_address() -> tuple[str, list[int]]:
    """A loopback address that no other test uses, and three free ports there."""
    host = "127." + ".".join(str(random.randrange(1, 255)) for _ in range(3))
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(3)]
        for sock in sockets:
            sock.bind((host, 0))
        return host, [sock.getsockname()[1] for sock in sockets]
