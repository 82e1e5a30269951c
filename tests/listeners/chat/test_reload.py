"""Every setting changes while members are connected, and nobody is disconnected for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.conftest import StartDaemon
from tests.listeners.chat.test_service import Irc
from tests.support import Daemon

Connect = Callable[[Daemon], Irc]
CHAT = """[listeners.lounge]
kind = "chat"
address = "tcp://127.0.0.1:0"
server_name = "irc.test"
opers = [{ name = "root", password = "toor" }]
"""


@pytest.fixture
def connect() -> Iterator[Connect]:
    with ExitStack() as stack:

        def make(daemon: Daemon) -> Irc:
            client = Irc(daemon.connect("lounge"))
            stack.callback(client.close)
            return client

        yield make


def test_an_operator_reloads_the_daemon(start_daemon: StartDaemon, connect: Connect) -> None:
    daemon = start_daemon(CHAT)
    root, bob = connect(daemon).register("ann").join(), connect(daemon).register("bob").join()
    root.send("OPER root toor")
    daemon.write(CHAT + 'motd = "anew"\n')
    root.send("REHASH")
    assert root.expect(" 382 ") == ":irc.test 382 ann netd.toml Rehashing"
    assert root.expect("NOTICE") == ":irc.test NOTICE ann :reloaded: reconfigured lounge"
    bob.send("MOTD")
    bob.expect("- anew")
    assert daemon.status()["last_reload"]["ok"]


def test_an_operator_is_told_why_a_reload_is_refused(
    start_daemon: StartDaemon, connect: Connect
) -> None:
    daemon = start_daemon(CHAT)
    root = connect(daemon).register("ann")
    root.send("OPER root toor")
    daemon.write(CHAT + 'motd = 7\nnonsense = "x"\n')
    root.send("REHASH", "REHASH")
    for _ in range(2):
        first = root.expect("NOTICE ann")
        assert "reload refused, nothing changed: " in first
        assert "netd.toml:" in first
        root.expect("nonsense")
    root.sync()
    daemon.write(CHAT)
    root.send("REHASH")
    root.expect("NOTICE ann :reloaded: nothing changed")
