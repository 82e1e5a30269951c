"""A log disk that hangs: a file system in a file, which fsfreeze(8) stops."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import StartDaemon
from tests.programs import find, require
from tests.support import Daemon, read_all, wait_until

_BYTES = 32 * 2**20


class Disk:
    """A mounted file system that can be frozen."""

    def __init__(self, directory: Path) -> None:
        """Raises CalledProcessError if this machine cannot mount it, as in most containers."""
        self.path = directory / "disk"
        self.path.mkdir()
        image = directory / "image"
        with image.open("wb") as file:
            file.truncate(_BYTES)
        _run("mkfs.ext4", "-q", str(image))
        _run("mount", "-o", "loop", str(image), str(self.path))

    def freeze(self) -> None:
        """Have every write wait, in a way that no signal ends."""
        _run("fsfreeze", "--freeze", str(self.path))

    def close(self) -> None:
        """Let the writes go on, and unmount once no process uses the file system."""
        subprocess.run(
            [find("fsfreeze") or "", "--unfreeze", str(self.path)], check=False, capture_output=True
        )
        _run("umount", "--lazy", str(self.path))


def _run(program: str, *arguments: str) -> None:
    subprocess.run([find(program) or program, *arguments], check=True, capture_output=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system")
    require("mkfs.ext4", "fsfreeze")
    try:
        disk = Disk(tmp_path)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no file system can be mounted here: {error.stderr.decode().strip()}")
    yield disk
    disk.close()


def status_of(daemon: Daemon) -> int:
    """The status of a response."""
    with daemon.connect("web") as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return int(read_all(client)[9:12])


def test_a_frozen_log_disk_stops_neither_the_service_nor_the_stop(
    start_daemon: StartDaemon, disk: Disk
) -> None:
    daemon = start_daemon(
        '[netd]\ndrain_timeout = 1\n[listeners.web]\nkind = "http"\naddress = "tcp://127.0.0.1:0"\n'
        f'access_log = "{disk.path}/log"\n[[listeners.web.routes]]\npath = "/"\ntext = "hello"\n'
    )
    assert status_of(daemon) == 200
    wait_until((disk.path / "log").exists, "the log")
    disk.freeze()
    assert status_of(daemon) == 200
    wait_until(lambda: daemon.listener("web")["state"] == "degraded", "the degraded state")
    [worker] = daemon.listener("web")["workers"]
    assert worker["last_error"] == f"access log {disk.path}/log: a write takes more than 3 s"
    assert status_of(daemon) == 200
    assert daemon.stop() == 0
