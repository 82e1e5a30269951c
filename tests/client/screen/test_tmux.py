"""netd-chat in tmux, with irssi and a plain socket in the same channel."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.client.conftest import COMMAND
from tests.client.observer import Observer
from tests.client.tmux import Tmux
from tests.support import Daemon

pytestmark = pytest.mark.needs("tmux", "irssi")


def test_netd_chat_and_irssi_share_a_channel(tmux: Tmux, lounge: Daemon, tmp_path: Path) -> None:
    address = lounge.address("lounge")
    with Observer(address) as ear:
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


def test_a_narrower_window_has_no_stale_line(tmux: Tmux, lounge: Daemon) -> None:
    address = lounge.address("lounge")
    with Observer(address) as ear:
        tmux.start("chat", *COMMAND, str(address), "--name", "alice", "--plain")
        tmux.await_text("chat", "here: alice, ear")
        tmux.keys("chat", "words " * 12)
        tmux.await_text("chat", "words words")
        tmux.resize(40, 20)
        ear.say("printed after the change")
        tmux.await_text("chat", "<ear> printed after the change")
        tmux.keys("chat", "Z")
        tmux.await_text("chat", "Z")
        visible = "\n".join(tmux.rows("chat"))
        assert visible.count("[alice@") == 1
        assert visible.count("here: alice, ear") == 1


def test_the_line_being_typed_survives_a_narrower_window(tmux: Tmux, lounge: Daemon) -> None:
    address = lounge.address("lounge")
    with Observer(address) as ear:
        tmux.start("chat", *COMMAND, str(address), "--name", "alice")
        tmux.await_text("chat", "here: alice, ear")
        tmux.keys("chat", "half a li")
        tmux.await_text("chat", "[#lounge] half a li")
        tmux.resize(40, 12)
        ear.say("a text that is wider than forty columns are, by far")
        tmux.await_text("chat", "columns are, by far")
        tmux.type("chat", "ne")
        assert ear.hear(1) == ["half a line"]
        tmux.await_text("chat", "<alice> half a line")
