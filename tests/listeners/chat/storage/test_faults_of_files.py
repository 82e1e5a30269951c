"""Real faults of the database's file: a full disk, a killed process, damage. The chat goes on."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from netd.listeners.chat.room.storage import QueryFailedError
from netd.listeners.chat.storage import reader, writer
from netd.listeners.chat.storage.file import describe_failure
from netd.listeners.chat.storage.schema import NewerVersionError
from tests.listeners.chat.storage.test_database import Open, latest, opened, said
from tests.support import PATIENCE_S, wait_until

__all__ = ["opened"]  # a fixture

_WRITER = """
import sys
from contextlib import closing
from netd.listeners.chat.storage.file import DatabaseFile
from netd.listeners.chat.storage.messages import add_messages
from tests.listeners.chat.storage.test_database import said
file = DatabaseFile(sys.argv[1])
file.connection.execute("BEGIN IMMEDIATE")
add_messages(file.connection, [said(number) for number in range(1, 11)])
file.connection.execute("COMMIT")
file.connection.execute("BEGIN IMMEDIATE")
file.connection.execute("PRAGMA cache_size = 1")
add_messages(file.connection, [said(number) for number in range(11, 5000)])
print("in a transaction", flush=True)
sys.stdin.read()
"""


@contextmanager
def _full_disk() -> Iterator[None]:
    """Let the writes of this process fail past 64 bytes of a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_messages_wait_while_the_disk_is_full(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "TIMEOUT_S", PATIENCE_S)
    database = opened(tmp_path / "db")
    database.add(1)
    assert database.texts() == ["line 1"]
    with _full_disk():
        database.add(2, 3)
        wait_until(lambda: database.database.failure, "the failure")
        database.add(*range(4, 1000))  # does not wait for the disk, which stays full
        monkeypatch.setattr(reader, "TIMEOUT_S", 0.1)
        assert isinstance(database.ask(latest()), QueryFailedError)
    monkeypatch.setattr(reader, "TIMEOUT_S", PATIENCE_S)
    wait_until(lambda: not database.database.failure, "room on the disk")
    assert database.texts() == [f"line {number}" for number in range(1, 1000)]
    assert database.database.lost == 0


_COUNTER = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
print(database.execute("SELECT count(*) FROM message").fetchone()[0])
database.close()
"""


def test_other_processes_share_the_file_also_after_a_failed_write(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "TIMEOUT_S", PATIENCE_S)
    database = opened(tmp_path / "db")
    database.add(1)
    assert database.texts() == ["line 1"]
    with _full_disk():
        database.add(2)
        wait_until(lambda: database.database.failure, "the failure")
    wait_until(lambda: not database.database.failure, "room on the disk")
    for number in (3, 4):
        command = [sys.executable, "-c", _COUNTER, str(tmp_path / "db")]
        counted = subprocess.run(command, capture_output=True, text=True, check=True)
        assert counted.stdout == f"{number - 1}\n"  # the process leaves the write-ahead log
        database.add(number)
        assert len(database.texts()) == number


def test_changes_past_the_limit_are_lost_and_counted(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MAX_WAITING", 5)
    database = opened(tmp_path / "missing" / "db")
    wait_until(lambda: database.database.failure, "the failure")
    database.add(*range(1, 2000))
    assert database.database.lost > 0
    assert database.database.take_must_repeat()
    assert not database.database.take_must_repeat()


def test_a_process_that_is_killed_in_a_transaction_leaves_what_was_committed(
    opened: Open, tmp_path: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, tmp_path / "db"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"in a transaction\n"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    database = opened(tmp_path / "db")
    assert database.texts() == [f"line {number}" for number in range(1, 11)]
    database.add(*range(5, 21))
    assert database.texts() == [f"line {number}" for number in range(1, 21)]
    assert database.count("PRAGMA integrity_check") == "ok"  # type: ignore[comparison-overlap]


def test_a_file_that_is_damaged_in_the_middle_is_replaced(opened: Open, tmp_path: Path) -> None:
    first = opened(tmp_path / "db")
    first.add(*range(1, 3000))
    assert len(first.texts()) == 2999
    first.close()
    with closing(sqlite3.connect(tmp_path / "db")) as closed:  # the WAL would hide the damage
        truncate = "PRAGMA wal_checkpoint(TRUNCATE)"  # its first value: another has the file open
        wait_until(lambda: not closed.execute(truncate).fetchone()[0], "the end of the first one")
    with (tmp_path / "db").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (file.seek(0, os.SEEK_END) - 4096))
        file.seek(4096)
        file.write(b"\xff" * 40_960)
    database = opened(tmp_path / "db")
    database.database.write(said(3001))
    wait_until(lambda: [*tmp_path.glob("db.corrupt-*")], "the damaged file")
    assert database.texts() == ["line 3001"]
    assert database.database.take_must_repeat()
    with closing(sqlite3.connect(tmp_path / "db")) as new:
        assert new.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_an_error_on_a_full_disk_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "db")
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR
    empty = os.statvfs(tmp_path)
    room = os.statvfs_result((*empty[:4], 1 << 20, *empty[5:]))
    monkeypatch.setattr(os, "statvfs", lambda _: room)
    assert describe_failure(path, error) == f"{path}: disk I/O error"
    full = os.statvfs_result((*empty[:4], 0, *empty[5:]))
    monkeypatch.setattr(os, "statvfs", lambda _: full)
    assert describe_failure(path, error) == (
        f"{path}: its disk is full; free some space (df {tmp_path})"
    )
    locked = sqlite3.OperationalError("database is locked")
    assert describe_failure(path, locked) == f"{path}: database is locked"
    assert describe_failure(path, NewerVersionError("newer")) == f"{path}: newer"
