"""netd-chat after the death of the supervisor: the sockets are left, and the history file."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from netd.client.core.chat_events import ChannelJoined
from tests.client.chat_thread import ChatThread
from tests.client.cuttable_wire import CuttableWire
from tests.client.observer import Observer
from tests.played_systemd import ManagedDaemon
from tests.support import find_free_port, wait_until

LINES = 150


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[ManagedDaemon]:
    managed = ManagedDaemon(
        tmp_path,
        f"""
        [listeners.lounge]
        kind = "chat"
        address = "tcp://127.0.0.1:{find_free_port()}"
        flood_rate = 0
        history_file = "{tmp_path}/history.db"
        """,
    )
    managed.systemd.start()
    yield managed
    managed.systemd.close()


def test_it_shows_what_it_missed(daemon: ManagedDaemon) -> None:
    address = daemon.address("lounge")
    with (
        closing(CuttableWire(address)) as wire,
        closing(ChatThread("--port", str(wire.port), "--name", "bob")) as chat,
    ):
        chat.await_event(ChannelJoined("#lounge"))
        with Observer(address) as ear:
            ear.say("seen")
            wait_until(lambda: chat.texts() == ["seen"], "the first line")
            wire.lose_replies()
            missed = [f"line {number}" for number in range(LINES)]
            for text in missed:
                ear.say(text)
            ear.send("PING", "done")
            ear.await_message("PONG")
        chat.type("mine")
        wait_until(lambda: f"line {LINES - 1}" in history(daemon), "the file")
        daemon.systemd.kill(signal.SIGKILL)
        wire.cut()
        chat.await_registrations(2)
        assert not chat.registrations()[1].resumed
        wait_until(lambda: len(chat.texts()) == LINES + 2, "all lines")
        assert [text for text in chat.texts() if text != "mine"] == ["seen", *missed]


def history(daemon: ManagedDaemon) -> str:
    """What is in the history file, and its log."""
    files = daemon.config.parent.glob("history.db*")
    return "".join(path.read_bytes().decode(errors="replace") for path in files)
