"""Members without a client come back after a stop and a start, and after a worker is killed."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from netd.listeners.chat import KIND
from tests.listeners.chat.room.room_under_test import sasl_plain
from tests.listeners.chat.test_service import Irc
from tests.support import PATIENCE_S, WorkerUnderTest, wait_until

Start = Callable[..., WorkerUnderTest]
ACCOUNTS = [
    {"name": "anna", "password": "sesame", "always_on": True},
    {"name": "bert", "password": "sesame"},
]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as stack:

        def make(**options: object) -> WorkerUnderTest:
            given = {
                "server_name": "irc.test",
                "history_file": f"{tmp_path}/chat.db",
                "accounts": ACCOUNTS,
                "flood_rate": 0,
                **options,
            }
            worker = WorkerUnderTest(KIND, given, ("tcp://127.0.0.1:0",))
            stack.callback(worker.close)
            return worker

        yield make


def connect(worker: WorkerUnderTest, nick: str, account: str = "", caps: str = "") -> Irc:
    client = Irc(worker.connect())
    client.send(f"CAP REQ :sasl {caps}")
    if account:
        client.send("AUTHENTICATE PLAIN", f"AUTHENTICATE {sasl_plain(account, 'sesame')}")
        client.expect(" 903 ")
    client.send("CAP END")
    return client.register(nick)


def stored_members(tmp_path: Path) -> str:
    """What the database has of members that are always on."""
    with closing(sqlite3.connect(f"{tmp_path}/chat.db")) as database:
        return str(database.execute("SELECT state FROM kept_member").fetchall())


def leave(worker: WorkerUnderTest, *clients: Irc) -> None:
    """Disconnect clients, and wait until the members that stay are written."""
    for client in clients:
        client.send("QUIT")
        client.expect("ERROR")
        client.close()
    worker.await_counters(lambda found: found["connections"] == 0)


def test_a_member_is_there_after_a_stop_and_a_start(start: Start) -> None:
    first = start()
    with closing(connect(first, "bob")) as bob:
        anna = connect(first, "anna", "anna", "draft/read-marker").join("#room")
        anna.send("MODE #room +m", "MODE anna +i", "TOPIC #room :our plans")
        anna.send("MARKREAD #room timestamp=2026-01-02T03:04:05.000Z")
        bob.join("#room").send("JOIN #side")
        anna.send("MODE #room +v bob")
        anna.sync()
        bob.send("PRIVMSG #room :before")
        bob.sync()
        said_at = time.time()
        wait_until(lambda: time.time() > said_at + 0.002, "the next millisecond")
        anna.send("QUIT")
        anna.expect("ERROR")
        anna.close()
        bob.send("PRIVMSG #room :while anna is away", "PRIVMSG anna :privately")
        assert bob.expect(" 301 ").endswith(":Not connected")
        bob.sync()
    first.drain(PATIENCE_S, stopping=True)
    first.await_exit()
    second = start()
    with closing(connect(second, "bob").join("#room")) as bob:
        bob.send("NAMES #room", "MODE #room", "PRIVMSG anna :after the restart")
        assert bob.expect(" 353 ").endswith(":@anna bob")
        assert "+mnt" in bob.expect(" 324 ")
        bob.sync()
        with closing(connect(second, "phone", "anna", "draft/read-marker")) as phone:
            lines = phone.sync()
            assert any("MODE anna +i" in line for line in lines)
            assert any(
                "MARKREAD #room timestamp=2026-01-02T03:04:05.000Z" in line for line in lines
            )
            assert any(" 332 anna #room :our plans" in line for line in lines)
            texts = [line.partition(" UTC] ")[2] for line in lines if " UTC] " in line]
            assert texts == ["while anna is away", "privately", "after the restart"]
            phone.send("PRIVMSG #room :I am back")
            bob.expect("I am back")


def test_a_member_is_there_after_its_worker_was_killed(start: Start, tmp_path: Path) -> None:
    first = start()
    anna = connect(first, "anna", "anna").join("#room")
    bert = connect(first, "bert", "bert").join("#room")
    leave(first, anna, bert)
    first.await_counters(lambda found: found["absent"] == 1)
    wait_until(lambda: "#room" in stored_members(tmp_path), "the member to be written")
    os.kill(first.process.pid, signal.SIGKILL)
    first.await_exit()
    second = start()
    with closing(connect(second, "bob").join("#room")) as bob:
        bob.send("NAMES #room")
        assert bob.expect(" 353 ").endswith(":@anna bob")
        second.await_counters(lambda found: found["absent"] == 1)


def test_members_that_are_not_always_on_any_more_leave(start: Start) -> None:
    worker = start()
    anna = connect(worker, "anna", "anna").join("#room")
    with closing(connect(worker, "bob").join("#room")) as bob:
        anna.send("QUIT")
        anna.expect("ERROR")
        anna.close()
        bob.send("WHO anna")
        assert " G@ " in bob.expect(" 352 ")
        options = {"server_name": "irc.test", "max_always_on": 0, "accounts": ACCOUNTS}
        worker.configure(options)
        assert bob.expect(" QUIT ").endswith(" QUIT :Not connected")


def test_the_number_of_absent_members_is_bounded(start: Start) -> None:
    worker = start(always_on=True, max_always_on=1)
    with closing(connect(worker, "bob").join("#room")) as bob:
        for name in ("anna", "bert"):
            client = connect(worker, name, name).join("#room")
            client.send("QUIT")
            client.expect("ERROR")
            client.close()
        assert bob.expect(" QUIT ").startswith(":anna!")
        worker.await_counters(lambda found: found["absent"] == 1)
