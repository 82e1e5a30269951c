"""netd-chat under TLS while the daemon is restarted: others notice nothing."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from netd.client.core.chat_events import ChannelJoined
from tests.client.chat_thread import ChatThread
from tests.client.observer import Observer
from tests.conftest import StartDaemon
from tests.support import Daemon, find_free_port, make_certificate, wait_until

pytestmark = pytest.mark.needs("openssl")

RESTARTS = 2


@pytest.fixture
def lounge(start_daemon: StartDaemon, tmp_path: Path) -> Daemon:
    tls = make_certificate(tmp_path, "localhost")
    plain, secure = find_free_port(), find_free_port()
    return start_daemon(
        f"""
        [listeners.lounge]
        kind = "chat"
        address = ["tcp://127.0.0.1:{plain}", "tcp://127.0.0.1:{secure}"]
        flood_rate = 0

        [listeners.lounge.tls]
        certificate = "{tls["certificate"]}"
        key = "{tls["key"]}"
        ports = [{secure}]
        """
    )


class Watcher(Observer):
    """A member that records the commands of all lines about bob."""

    def texts(self, count: int) -> list[str]:
        """The next messages of bob; fails if something else about bob is shown."""
        found: list[str] = []
        while len(found) < count:
            message = self._next()
            if message.command == "PING":
                self.send("PONG", *message.params)
            if message.source.startswith("bob!") or "bob" in message.params:
                assert message.command == "PRIVMSG", message
                found.append(message.params[1])
        return found


@pytest.fixture
def chat(lounge: Daemon, tmp_path: Path) -> Iterator[ChatThread]:
    port = lounge.address("lounge", 1).port
    where = ["--host", "localhost", "--port", str(port), "--tls"]
    arguments = ["--name", "bob", "--ca-file", str(tmp_path / "localhost.pem")]
    with closing(ChatThread(*where, *arguments)) as started:
        started.await_event(ChannelJoined("#lounge"))
        yield started


def test_others_notice_nothing(lounge: Daemon, chat: ChatThread) -> None:
    with Watcher(lounge.address("lounge")) as watcher:
        said: list[str] = []
        heard: list[str] = []
        for restart in range(RESTARTS):
            lounge.process.send_signal(signal.SIGUSR2)
            while len(chat.registrations()) < restart + 2:
                said.append(f"line {len(said)}")
                watcher.say(said[-1])
                if len(said) % 20 == 0:
                    heard.append(f"mine {len(heard)}")
                    chat.type(heard[-1])
                time.sleep(0.02)
        chat.type("end")
        assert watcher.texts(len(heard) + 1) == [*heard, "end"]
        wait_until(lambda: chat.texts()[-1] == "end", "the last line")
        assert [text for text in chat.texts() if text.startswith("line")] == said
        assert [text for text in chat.texts() if not text.startswith("line")] == [*heard, "end"]
        assert all(welcome.resumed for welcome in chat.registrations()[1:])
