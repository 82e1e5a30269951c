"""Redis on a host of its own: a network namespace, to which containers are connected."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path
from typing import Final

from tests.programs import find
from tests.support import PATIENCE_S, wait_until
from tests.system.container import Container

ADDRESS: Final = "10.77.0.1"
PASSWORD: Final = "correct-horse"
_CONFIG: Final = """
bind 0.0.0.0
dir {directory}
appendonly yes
appendfsync always
maxmemory-policy noeviction
user default off ~* &* +@all
user chat on >{password} ~netd:* +@all
"""


class EngineHost:
    """One Redis, configured as netd-cluster(7) says."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._config = directory / "redis.conf"
        self._config.write_text(_CONFIG.format(directory=directory, password=PASSWORD))
        self._holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        own = os.readlink("/proc/self/ns/net")
        namespace = f"/proc/{self._holder.pid}/ns/net"
        wait_until(lambda: os.readlink(namespace) != own, "the network")
        self._run("ip", "link", "set", "lo", "up")
        self._run("ip", "address", "add", f"{ADDRESS}/32", "dev", "lo")
        self._redis = self._start()
        self._count = 0

    def connect(self, container: Container) -> None:
        """Lay a cable to a container."""
        self._count += 1
        ours, theirs = f"10.77.{self._count}.1", f"10.77.{self._count}.2"
        link = ("ip", "link", "add", f"host{self._count}", "type", "veth")
        self._run(*link, "peer", "name", "engine0", "netns", container.leader())
        self._run("ip", "address", "add", f"{ours}/24", "dev", f"host{self._count}")
        self._run("ip", "link", "set", f"host{self._count}", "up")
        for words in (
            f"address add {theirs}/24 dev engine0",
            "link set engine0 up",
            f"route add {ADDRESS} via {ours}",
        ):
            subprocess.run(container.in_network("ip", *words.split()), check=True)

    def restart(self) -> None:
        """End Redis as a crash does, and start it again."""
        self._redis.kill()
        self._redis.wait(PATIENCE_S)
        self._redis = self._start()

    def close(self) -> None:
        """End it, and its network."""
        for process in (self._redis, self._holder):
            with contextlib.suppress(OSError):
                process.kill()
            process.wait(PATIENCE_S)

    def _start(self) -> subprocess.Popen[bytes]:
        program = find("redis-server")
        assert program is not None
        command = ["nsenter", "-t", str(self._holder.pid), "-n", program, str(self._config)]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def _run(self, *command: str) -> None:
        subprocess.run(["nsenter", "-t", str(self._holder.pid), "-n", *command], check=True)
