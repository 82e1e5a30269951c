"""A real Redis server on a Unix socket, which a test can kill, freeze and empty."""

from __future__ import annotations

import signal
import socket
import subprocess
from pathlib import Path

from netd.listeners.chat.cluster.engine_address import EngineAddress
from netd.listeners.chat.cluster.resp import Argument, Reply, make_reader, pack
from tests.programs import find, require
from tests.support import PATIENCE_S, wait_until


class RedisServer:
    """One server; its data are in a directory, so they survive `kill` and `start`."""

    def __init__(self, directory: Path, *, durable: bool = True) -> None:
        """Start a server; with `durable` it loses nothing that it has acknowledged."""
        require("redis-server")
        self.path = directory / "redis.sock"
        self._directory = directory
        self._durable = durable
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def address(self) -> EngineAddress:
        """Where it listens."""
        return EngineAddress(path=str(self.path))

    def start(self) -> None:
        """Start it, and wait until it serves."""
        program = find("redis-server")
        assert program is not None
        appends = "yes" if self._durable else "no"
        words = ["--port", "0", "--unixsocket", str(self.path), "--dir", str(self._directory)]
        words += ["--appendonly", appends, "--appendfsync", "always", "--save", ""]
        log = self._directory / "redis.log"
        self._process = subprocess.Popen([program, *words, "--logfile", str(log)])
        wait_until(self._serves, "redis-server")

    def kill(self) -> None:
        """End it as a crash does."""
        self.signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait(PATIENCE_S)
        self.path.unlink(missing_ok=True)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, such as SIGSTOP."""
        assert self._process is not None
        self._process.send_signal(number)

    def call(self, *arguments: Argument) -> Reply:
        """Execute a command on a connection of its own."""
        reader = make_reader()
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(PATIENCE_S)
            sock.connect(str(self.path))
            sock.sendall(pack(*arguments))
            while (reply := reader.gets()) is False:
                data = sock.recv(65536)
                assert data, "the connection was closed"
                reader.feed(data)
        if isinstance(reply, Exception):
            raise reply
        return reply

    def _serves(self) -> bool:
        try:
            return self.call("PING") == b"PONG"
        except (OSError, Exception) as error:  # noqa: BLE001 (LOADING, too)
            return isinstance(error, AssertionError)
