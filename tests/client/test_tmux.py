"""netd-chat in tmux, as people run it, with an irssi and a plain socket in the same room."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.conftest import COMMAND
from tests.client.listener import Listener
from tests.support import PATIENCE_S, Daemon, wait_until

pytestmark = pytest.mark.skipif(
    not (shutil.which("tmux") and shutil.which("irssi")), reason="tmux or irssi is not installed"
)


class Tmux:
    """A tmux server of our own, with a window for each program."""

    def __init__(self, directory: Path) -> None:
        self._base = ["tmux", "-f", "/dev/null", "-S", str(directory / "tmux.sock")]
        self._tmux("new-session", "-d", "-s", "room", "-x", "80", "-y", "24", "cat")

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self._base, *arguments], capture_output=True, check=True, timeout=PATIENCE_S
        )
        return done.stdout.decode()

    def start(self, window: str, *command: str) -> None:
        self._tmux("new-window", "-n", window, shlex.join(command))

    def keys(self, window: str, text: str) -> None:
        self._tmux("send-keys", "-t", f"room:{window}", "-l", text)

    def type(self, window: str, text: str) -> None:
        self.keys(window, text)
        self._tmux("send-keys", "-t", f"room:{window}", "Enter")

    def await_text(self, window: str, text: str) -> None:
        wait_until(lambda: text in self.screen(window), f"{text!r} in {window}'s window")

    def screen(self, window: str) -> str:
        return self._tmux("capture-pane", "-p", "-J", "-t", f"room:{window}")

    def resize(self, columns: int, lines: int) -> None:
        self._tmux("resize-window", "-t", "room", "-x", str(columns), "-y", str(lines))

    def close(self) -> None:
        self._tmux("kill-server")


@pytest.fixture
def tmux(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tmux]:
    del home
    monkeypatch.delenv("TMUX", raising=False)
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("PYTHONPATH", os.getcwd())
    started = Tmux(tmp_path)
    yield started
    started.close()


def test_they_share_a_room(tmux: Tmux, lounge: Daemon, tmp_path: Path) -> None:
    address = lounge.address("lounge")
    with Listener(address) as ear:
        tmux.start("chat", *COMMAND, str(address), "--name", "alice")
        tmux.await_text("chat", "here: alice, ear")
        server = ("-c", address.host, "-p", str(address.port), "-n", "irene")
        tmux.start("irssi", "irssi", f"--home={tmp_path / 'irssi'}", *server)
        tmux.await_text("irssi", "Welcome")
        tmux.type("irssi", "/join #lounge")
        tmux.await_text("chat", "irene has joined")
        tmux.type("irssi", "alice: hello from irssi")
        tmux.await_text("chat", "<irene> alice: hello from irssi")
        tmux.type("chat", "hello irene")
        tmux.await_text("irssi", "alice> hello irene")
        ear.say("hello both")
        tmux.await_text("irssi", "ear> hello both")
        tmux.await_text("chat", "<ear> hello both")
        assert ear.hear(2) == ["alice: hello from irssi", "hello irene"]


def test_the_line_being_typed_survives_a_narrower_window(tmux: Tmux, lounge: Daemon) -> None:
    address = lounge.address("lounge")
    with Listener(address) as ear:
        tmux.start("chat", *COMMAND, str(address), "--name", "alice")
        tmux.await_text("chat", "here: alice, ear")
        tmux.keys("chat", "half a li")
        tmux.await_text("chat", "]> half a li")
        tmux.resize(40, 12)
        ear.say("a text that is wider than forty columns are, by far")
        tmux.await_text("chat", "columns are, by far")
        tmux.type("chat", "ne")
        assert ear.hear(1) == ["half a line"]
        tmux.await_text("chat", "<alice> half a line")
