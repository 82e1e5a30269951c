"""Channels after the death of a worker: they come back, and no stranger becomes operator."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from netd.listeners.chat import KIND
from tests.listeners.chat.room.room_under_test import sasl_plain
from tests.listeners.chat.storage.test_store_of_a_chat import stored, stored_states
from tests.listeners.chat.test_service import Irc
from tests.support import WorkerUnderTest, wait_until

Start = Callable[[], WorkerUnderTest]
Connect = Callable[[WorkerUnderTest, str], Irc]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    accounts = [{"name": "owner", "password": "sesame"}]
    options = {"server_name": "irc.test", "history_file": f"{tmp_path}/db", "accounts": accounts}
    with ExitStack() as stack:

        def make() -> WorkerUnderTest:
            worker = WorkerUnderTest(KIND, options, ("tcp://127.0.0.1:0",))
            stack.callback(worker.close)
            return worker

        yield make


@pytest.fixture
def connect() -> Iterator[Connect]:
    with ExitStack() as stack:

        def make(worker: WorkerUnderTest, nick: str) -> Irc:
            client = Irc(worker.connect())
            stack.callback(client.close)
            return client.register(nick)

        yield make


def _log_in(client: Irc) -> None:
    proof = sasl_plain("owner", "sesame")
    client.send("CAP REQ sasl", "AUTHENTICATE PLAIN", f"AUTHENTICATE {proof}")
    client.expect(" 903 ")


def _kill(worker: WorkerUnderTest) -> None:
    os.kill(worker.process.pid, signal.SIGKILL)
    worker.await_exit()


def test_a_channel_waits_for_its_owner_after_its_worker_was_killed(
    start: Start, connect: Connect, tmp_path: Path
) -> None:
    worker = start()
    owner = connect(worker, "owner_")
    _log_in(owner)
    owner.send("JOIN #club", "MODE #club +ikb sesame bad!*@*", "TOPIC #club :members only")
    owner.expect(" TOPIC ")
    wait_until(lambda: "members only" in stored_states(tmp_path / "db"), "the state")
    _kill(worker)

    later = start()
    stranger = connect(later, "stranger")
    stranger.send("JOIN #club", "JOIN #club sesame")
    stranger.expect(" 475 ")
    stranger.expect(" 473 ")
    owner = connect(later, "owner_")
    owner.send("JOIN #club sesame")
    owner.expect(" 473 ")
    _log_in(owner)
    owner.send("JOIN #club")
    assert owner.expect(" 332 ").endswith(":members only")
    assert owner.expect(" MODE ") == ":irc.test MODE #club +o owner_"
    assert owner.expect(" 353 ").endswith("@owner_")
    owner.send("MODE #club", "MODE #club b")
    assert owner.expect(" 324 ").endswith("+iknt sesame")
    owner.expect("bad!*@*")


def test_a_channel_without_a_known_operator_comes_back_with_its_modes(
    start: Start, connect: Connect, tmp_path: Path
) -> None:
    worker = start()
    founder = connect(worker, "founder")
    founder.send("JOIN #Open", "MODE #Open +m")
    founder.expect(" MODE ")
    wait_until(lambda: '"m"' in stored_states(tmp_path / "db"), "the state")
    _kill(worker)

    later = start()
    stranger = connect(later, "stranger")
    for _ in range(2):
        stranger.send("JOIN #open")
        assert stranger.expect(" 353 ").endswith(" stranger")
        stranger.send("MODE #open", "PART #open")
        assert stranger.expect(" 324 ").endswith(" #Open +mnt")


def test_a_channel_that_was_left_is_not_restored(
    start: Start, connect: Connect, tmp_path: Path
) -> None:
    worker = start()
    founder = connect(worker, "founder")
    founder.send("JOIN #one,#two")
    founder.expect(" 366 founder #two")
    wait_until(lambda: "#one" in stored_states(tmp_path / "db"), "the state")
    founder.send("PART #one")
    founder.expect(" PART ")
    wait_until(lambda: "#one" not in stored_states(tmp_path / "db"), "the end of the state")
    _kill(worker)
    stranger = connect(start(), "stranger")
    stranger.send("JOIN #one", "JOIN #two")
    assert stranger.expect(" 353 ").endswith("@stranger")
    assert stranger.expect(" 353 ").endswith(" stranger")


def test_an_operator_that_logs_in_after_joining_gets_the_status_back(
    start: Start, connect: Connect, tmp_path: Path
) -> None:
    worker = start()
    owner = connect(worker, "owner_")
    owner.send("JOIN #club")
    owner.expect(" 366 ")
    _log_in(owner)
    wait_until(lambda: "account:owner" in stored_states(tmp_path / "db"), "the operator")
    _kill(worker)
    later = start()
    owner = connect(later, "owner_")
    owner.send("JOIN #club")
    assert owner.expect(" 353 ").endswith(" owner_")
    _log_in(owner)
    assert owner.expect(" MODE ") == ":irc.test MODE #club +o owner_"


def _history(client: Irc, target: str) -> list[str]:
    client.send(f"CHATHISTORY LATEST {target} * 50")
    return [line.rsplit(" :", 1)[1] for line in client.sync() if " PRIVMSG " in line]


def test_history_outlives_the_death_of_a_worker(
    start: Start, connect: Connect, tmp_path: Path
) -> None:
    """A closed channel's too, for the account that was in it: it had no time to leave."""
    worker = start()
    owner = connect(worker, "owner_")
    _log_in(owner)
    owner.send("JOIN #club,#open", "MODE #club +k sesame")
    owner.send(
        *(f"PRIVMSG {name} :line {number}" for number in range(3) for name in ("#club", "#open"))
    )
    owner.send("PRIVMSG owner_ :to myself")
    owner.expect("to myself")
    wait_until(
        lambda: "to myself" in stored(tmp_path / "db", "SELECT text FROM message"), "the lines"
    )
    wait_until(lambda: '"present": {"owner"' in stored_states(tmp_path / "db"), "the account")
    _kill(worker)

    later = start()
    owner, guest = connect(later, "owner_"), connect(later, "guest")
    _log_in(owner)
    for client in (owner, guest):
        client.send("JOIN #club,#open sesame")
        client.expect(" 366 ")
        client.expect(" 366 ")
        client.sync()
    said = [f"line {number}" for number in range(3)]
    assert _history(owner, "#club") == said
    assert _history(guest, "#club") == []
    assert _history(guest, "#open") == said
    assert _history(owner, "owner_") == ["to myself"]
