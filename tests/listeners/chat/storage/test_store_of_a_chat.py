from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from netd.listeners.chat import KIND
from netd.listeners.chat.storage import file
from tests.listeners.chat.test_service import Irc
from tests.support import PATIENCE_S, WorkerUnderTest, wait_until

Start = Callable[[Path], tuple[WorkerUnderTest, Irc]]
_LOCK = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""

_READ = """
import sqlite3, sys
for row in sqlite3.connect(sys.argv[1], uri=True).execute(sys.argv[2]):
    print(row)
"""


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:

        def make(path: Path) -> tuple[WorkerUnderTest, Irc]:
            opers = [{"name": "root", "password": "secret"}]
            options = {"server_name": "irc.test", "history_file": str(path), "opers": opers}
            worker = WorkerUnderTest(KIND, options, ("tcp://127.0.0.1:0",))
            stack.callback(worker.close)
            client = Irc(worker.connect()).register("alice").join()
            stack.callback(client.close)
            return worker, client

        yield make


def test_messages_topic_and_modes_survive_a_restart(start: Start, tmp_path: Path) -> None:
    worker, alice = start(tmp_path / "chat.db")
    alice.send("OPER root secret", "TOPIC #lounge :kept topic", "MODE #lounge +b-t bad!*@*")
    alice.send("PRIVMSG #lounge :kept line")
    alice.sync()
    worker.drain(PATIENCE_S, stopping=True)
    worker.await_exit()
    _, later = start(tmp_path / "chat.db")
    later.send("PART #lounge", "JOIN #lounge")
    later.expect("332 alice #lounge :kept topic")
    later.expect("] kept line")
    later.send("MODE #lounge", "MODE #lounge b")
    assert later.expect(" 324 ").endswith("+n")
    later.expect("bad!*@*")


@pytest.mark.parametrize("trouble", ["locked", "no directory"])
def test_a_fault_of_the_file_does_not_stop_the_chat(
    start: Start, tmp_path: Path, trouble: str
) -> None:
    path = tmp_path / ("missing/chat.db" if trouble == "no directory" else "chat.db")
    with ExitStack() as stack:
        if trouble == "locked":
            stack.enter_context(_locked(path))
        worker, alice = start(path)
        alice.send("PRIVMSG #lounge :said anyway", "PRIVMSG alice :to myself")
        alice.expect("to myself")
        worker.await_degraded(f"{path}: ")
        alice.send("PRIVMSG #lounge :said meanwhile", "PING done")
        alice.expect("PONG")
    path.parent.mkdir(exist_ok=True)
    worker.await_degraded("")
    assert worker.counters["history_lost"] == 0
    alice.send("PRIVMSG #lounge :kept")
    wait_until(lambda: "kept" in stored(path, "SELECT text FROM message"), "the last line")
    texts = stored(path, "SELECT text FROM message WHERE text LIKE '%said%' ORDER BY id")
    assert texts == "('said anyway',)\n('said meanwhile',)\n"


def test_a_reload_to_another_file_does_not_wait_and_keeps_the_state(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "BUSY_S", 10 * PATIENCE_S)  # the worker is forked
    worker, alice = start(tmp_path / "one.db")
    alice.send("OPER root secret", "TOPIC #lounge :kept topic")
    alice.sync()
    other = {"server_name": "irc.test", "history_file": str(tmp_path / "other.db")}
    with _locked(tmp_path / "one.db"):
        alice.send("PRIVMSG #lounge :said meanwhile")
        alice.sync()
        worker.configure(other)
    worker.drain(PATIENCE_S, stopping=True)
    worker.await_exit()
    _, later = start(tmp_path / "other.db")
    later.send("TOPIC #lounge")
    later.expect("332 alice #lounge :kept topic")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Lock the file in another process, because SQLite does not allow a database across fork."""
    with subprocess.Popen(
        [sys.executable, "-c", _LOCK, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == b"locked\n"
        yield
        process.stdin.close()


def test_a_damaged_file_is_moved_aside(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    path.write_bytes(b"something else" * 1000)
    worker, alice = start(path)
    alice.send("OPER root secret", "TOPIC #lounge :new topic")
    alice.sync()
    worker.drain(PATIENCE_S, stopping=True)
    worker.await_exit()
    (aside,) = tmp_path.glob("chat.db.corrupt-*")
    assert aside.read_bytes() == b"something else" * 1000
    assert path.stat().st_mode & 0o777 == 0o640
    _, later = start(path)
    later.send("TOPIC #lounge")
    later.expect("332 alice #lounge :new topic")


def test_a_file_that_is_removed_or_damaged_while_running_is_written_anew(
    start: Start, tmp_path: Path
) -> None:
    path = tmp_path / "chat.db"
    worker, alice = start(path)
    alice.send("OPER root secret", "TOPIC #lounge :kept topic", "PRIVMSG #lounge :kept line")
    wait_until(lambda: "kept topic" in stored_states(path), "the first state")
    for _ in range(2):
        path.unlink()
        wait_until(lambda: "kept topic" in stored_states(path), "the state in a new file")
    path.write_bytes(b"something else" * 1000)
    alice.send("MODE #lounge +m")
    wait_until(lambda: "kept topic" in stored_states(path), "the state after the damage")
    wait_until(lambda: [*tmp_path.glob("*.corrupt-*")], "the damaged file")
    worker.drain(PATIENCE_S, stopping=True)
    worker.await_exit()
    _, later = start(path)
    later.send("PART #lounge", "JOIN #lounge")
    later.expect("] kept line")


def stored_states(path: Path) -> str:
    """The stored states; empty if there is no such file."""
    return stored(path, "SELECT state FROM channel_state")


def stored(path: Path, query: str) -> str:
    """The rows that a query finds; empty if there is no such file."""
    asked = [sys.executable, "-c", _READ, f"file:{path}?mode=ro", query]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout
