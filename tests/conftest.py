"""Fixtures that start the real thing and end it, whatever a test did to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from netd.listeners.kind import AnyKind
from tests.support import Daemon, WorkerUnderTest

settings.register_profile("netd", deadline=None)  # a busy machine is no fault
settings.load_profile("netd")

StartWorker = Callable[..., WorkerUnderTest]
StartDaemon = Callable[..., Daemon]


@pytest.fixture
def start_worker() -> Iterator[StartWorker]:
    """Start workers of a kind: `start_worker(KIND, {"tag": True}, ["tcp://127.0.0.1:0"])`."""
    started: list[WorkerUnderTest] = []

    def start(kind: AnyKind, options: dict[str, Any], addresses: list[str]) -> WorkerUnderTest:
        worker = WorkerUnderTest(kind, options, addresses)
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.close()


@pytest.fixture
def start_daemon(tmp_path: Path) -> Iterator[StartDaemon]:
    """Start `netd run` on a configuration's text and wait until it serves."""
    started: list[Daemon] = []

    def start(config: str, environ: dict[str, str] | None = None, *, ready: bool = True) -> Daemon:
        directory = tmp_path / f"netd{len(started)}"
        directory.mkdir()
        daemon = Daemon(directory, config, environ)
        started.append(daemon)
        if ready:
            daemon.await_ready()
        return daemon

    yield start
    for daemon in started:
        if daemon.process.poll() is None:
            daemon.process.kill()
            daemon.process.wait()
