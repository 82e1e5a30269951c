"""Registered accounts of a chat worker: over its death, a handover, a full disk; and floods."""

from __future__ import annotations

import base64
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Protocol

import pytest

from netd.listeners.chat import KIND
from netd.listeners.chat.room.commands.account_store import NOT_STORED
from tests.conftest import StartDaemon
from tests.listeners.chat.room.room_under_test import sasl_plain
from tests.listeners.chat.test_service import Irc
from tests.scram_client import ScramClient
from tests.support import PATIENCE_S, WorkerUnderTest, wait_until

PASSWORD = "sesame-open"
OPTIONS: dict[str, Any] = {"server_name": "irc.test", "registration": {"burst": 10}}


class Start(Protocol):
    def __call__(self, **options: Any) -> WorkerUnderTest: ...


class Connect(Protocol):
    def __call__(self, worker: WorkerUnderTest, nick: str = "", source: str = "") -> Irc: ...


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as stack:

        def make(**options: Any) -> WorkerUnderTest:
            own = {**OPTIONS, "history_file": f"{tmp_path}/db", **options}
            worker = WorkerUnderTest(KIND, own, ("tcp://127.0.0.1:0",))
            stack.callback(worker.close)
            return worker

        yield make


@pytest.fixture
def connect() -> Iterator[Connect]:
    with ExitStack() as stack:

        def make(worker: WorkerUnderTest, nick: str = "", source: str = "") -> Irc:
            client = Irc(worker.connect(source=source) if source else worker.connect())
            stack.callback(client.close)
            return client.register(nick) if nick else client

        yield make


def register(client: Irc, nick: str = "*") -> str:
    """Register an account, anew if the disk takes too long for the server; return the reply."""
    replies = (try_to_register(client, nick) for _ in range(OPTIONS["registration"]["burst"] // 2))
    return next(reply for reply in replies if NOT_STORED.text not in reply)


def try_to_register(client: Irc, nick: str = "*") -> str:
    client.send(f"REGISTER {nick} * {PASSWORD}")
    return client.expect(" REGISTER ")


def log_in(client: Irc, name: str, password: str = PASSWORD) -> str:
    """Log in by SCRAM; return the last numeric."""
    scram = ScramClient(name, password)
    client.send("CAP REQ sasl", "AUTHENTICATE SCRAM-SHA-256")
    client.expect("AUTHENTICATE +")
    client.send(f"AUTHENTICATE {scram.first}")
    challenge = client.expect(" AUTHENTICATE ").rpartition(" ")[2]
    client.send(f"AUTHENTICATE {scram.final(challenge)}")
    line = client.expect(":irc.test ")
    if " AUTHENTICATE " in line:
        assert scram.is_server(line.rpartition(" ")[2])
        client.send("AUTHENTICATE +")
        client.expect(" 900 ")
        line = client.expect(" 90")
    return line.split(" ")[1]


def kill(worker: WorkerUnderTest) -> None:
    os.kill(worker.process.pid, signal.SIGKILL)
    worker.await_exit()


def test_an_account_that_was_confirmed_is_there_after_the_worker_was_killed(
    start: Start, connect: Connect
) -> None:
    worker = start()
    assert " SUCCESS bob " in register(connect(worker, "bob"))
    kill(worker)
    worker = start()
    thief = connect(worker)
    thief.send("NICK bob", "USER b 0 * :b")
    thief.expect(" 433 ")
    bob = connect(worker)
    assert log_in(bob, "bob") == "903"
    bob.send("CAP END")
    bob.register("bob")


def test_accounts_and_their_changes_outlive_a_stop(start: Start, connect: Connect) -> None:
    worker = start()
    bob, ann = connect(worker, "bob"), connect(worker, "ann")
    register(bob)
    register(ann)
    bob.send(f"NS SET PASSWORD {PASSWORD} another-word")
    bob.expect("The password is changed")
    ann.send(f"NS DROP ann {PASSWORD}")
    ann.expect("is dropped")
    worker.close()
    worker = start()
    assert log_in(connect(worker), "bob") == "904"
    assert log_in(connect(worker), "bob", "another-word") == "903"
    assert log_in(connect(worker), "ann") == "904"
    assert "ACCOUNT_EXISTS" in register(connect(worker, "ann"))


def test_a_client_registers_and_another_process_goes_on(
    start: Start, connect: Connect, tmp_path: Path
) -> None:
    old = start()
    bob = connect(old, "bob")
    register(bob)
    with closing(old.hand_over()) as bundle:
        new = old.succeed({**OPTIONS, "history_file": f"{tmp_path}/db"}, bundle)
        old.dismiss()
        new.go()
    try:
        bob.send("NS INFO")
        bob.expect("bob was registered")
        assert log_in(connect(new), "bob") == "903"
        assert " SUCCESS ann " in register(connect(new, "ann"))
    finally:
        new.close()


def test_a_full_disk_is_reported_and_nothing_is_registered(
    start: Start, connect: Connect, tmp_path: Path
) -> None:
    worker = start()
    bob = connect(worker, "bob")
    database = sqlite3.connect(tmp_path / "db", timeout=PATIENCE_S, isolation_level=None)
    with closing(database) as lock:
        lock.execute("BEGIN IMMEDIATE")
        assert NOT_STORED.text in try_to_register(bob)
        lock.execute("ROLLBACK")
    assert " SUCCESS bob " in register(bob)
    assert log_in(connect(worker), "bob") == "903"


def test_without_a_database_registration_is_not_offered(start: Start, connect: Connect) -> None:
    worker = start(history_file="")
    client = connect(worker)
    client.send("CAP LS 302")
    assert "account-registration" not in client.expect(" CAP ")
    assert "DISALLOWED" in register(connect(worker, "bob"))


def test_a_flood_of_registrations_is_bounded_and_delays_no_login(
    start: Start, connect: Connect
) -> None:
    accounts = [{"name": "owner", "password": "sesame"}]
    worker = start(registration={"burst": 2}, accounts=accounts)
    flooders = [connect(worker, f"f{number}", "127.0.0.2") for number in range(20)]
    for flooder in flooders:
        flooder.send(f"REGISTER * * {PASSWORD}")
    owner = connect(worker)
    owner.send("CAP REQ sasl", "AUTHENTICATE PLAIN")
    owner.send(f"AUTHENTICATE {sasl_plain('owner', 'sesame')}")
    owner.expect(" 903 ")
    replies = [flooder.expect(" REGISTER ") for flooder in flooders]
    assert sum(" SUCCESS " in reply for reply in replies) == 2


def test_guesses_at_scram_are_logged_for_fail2ban_and_delayed(
    start: Start, connect: Connect, capfd: pytest.CaptureFixture[str]
) -> None:
    worker = start()
    register(connect(worker, "bob"))
    guesser = connect(worker, source="127.0.0.2")
    assert [log_in(guesser, "bob", f"guess{n}") for n in range(2)] == ["904"] * 2
    worker.await_counters(lambda counters: counters["wrong_credentials"] == 2)
    logged = capfd.readouterr().err
    assert 'auth failed: source 127.0.0.2 account "bob" method SCRAM' in logged


def test_removed_from_the_configuration_a_name_stays_reserved(
    start: Start, connect: Connect
) -> None:
    owner = [{"name": "owner", "password": "sesame"}]
    worker = start(accounts=owner)
    register(connect(worker, "bob"))
    worker.close()
    worker = start(accounts=[])
    assert "ACCOUNT_EXISTS" in register(connect(worker, "owner"))


CONFIG = """[listeners.lounge]
kind = "chat"
address = "tcp://127.0.0.1:0"
server_name = "irc.test"
history_file = "{directory}/lounge.db"
registration = {{ }}
"""


def salt_of(client: Irc, name: str) -> str:
    """The salt that a client of SCRAM is sent."""
    client.send("CAP REQ sasl", "AUTHENTICATE SCRAM-SHA-256")
    client.expect("AUTHENTICATE +")
    client.send(f"AUTHENTICATE {ScramClient(name, '').first}")
    challenge = base64.b64decode(client.expect(" AUTHENTICATE ").rpartition(" ")[2]).decode()
    return challenge.split(",")[1]


def test_the_successor_of_a_killed_worker_knows_the_accounts(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    daemon = start_daemon(CONFIG.format(directory=tmp_path))
    with ExitStack() as stack:

        def dial() -> Irc:
            client = Irc(daemon.connect("lounge"))
            stack.callback(client.close)
            return client

        salt = salt_of(dial(), "nobody")
        assert " SUCCESS bob " in register(dial().register("bob"))
        [pid] = daemon.pids("lounge")
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: daemon.pids("lounge") not in ([pid], []), "another worker")
        assert log_in(dial(), "bob") == "903"
        assert salt_of(dial(), "nobody") == salt
        daemon.reload()
        assert log_in(dial(), "bob") == "903"
