"""Fixtures: a chat server, and the real netd-chat command to connect to it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.client.tmux import Tmux
from tests.conftest import StartDaemon
from tests.support import PATIENCE_S, Daemon, running_daemon

COMMAND = (sys.executable, "-c", "from netd.client.app import main; main()")

LOUNGE = '[listeners.lounge]\nkind = "chat"\naddress = "tcp://127.0.0.1:0"\n'

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def lounge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """netd with one chat listener without history, shared by all tests."""
    directory = tmp_path_factory.mktemp("lounge")
    with running_daemon(directory, f"{LOUNGE}history_lines = 0\n") as daemon:
        yield daemon


@pytest.fixture
def own_lounge(start_daemon: StartDaemon) -> Daemon:
    """The same for one test alone, with history."""
    return start_daemon(LOUNGE)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without settings and a runtime directory without a daemon."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("NO_COLOR", raising=False)
    return tmp_path


@pytest.fixture
def netd_chat(home: Path) -> Run:
    """Run netd-chat with the given standard input until it ends."""
    del home

    def run(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *arguments],
            input=given,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    return run


@pytest.fixture
def tmux(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tmux]:
    """A tmux server without programs."""
    del home
    monkeypatch.delenv("TMUX", raising=False)
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("PYTHONPATH", os.getcwd())
    started = Tmux(tmp_path)
    yield started
    started.close()
