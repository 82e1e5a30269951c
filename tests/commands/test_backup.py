"""`netd backup`: what is in the file, while a chat writes."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from netd.protocols.password import hash_password
from tests.conftest import StartDaemon

INCLUDE = 'include = ["more/*.toml"]\n'
LOUNGE = """
[listeners.lounge]
kind = "chat"
address = "tcp://127.0.0.1:0"
history_file = "{0}/state/chat.db"
accounts_file = "{0}/accounts"
"""
ECHO = '[listeners.echo]\nkind = "echo"\naddress = "tcp://127.0.0.1:0"\n'
ACCOUNTS = f"ann:{hash_password('secret', bytes(16))}\n"
_NOBODY = 65534


def prepare(directory: Path) -> str:
    """Make the files of a daemon; returns the text of its main file."""
    for name in ("state", "more"):
        (directory / name).mkdir()
    (directory / "accounts").write_text(ACCOUNTS)
    (directory / "more" / "echo.toml").write_text(ECHO)
    return INCLUDE + LOUNGE.format(directory)


def make_database(path: Path, rows: int) -> sqlite3.Connection:
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("CREATE TABLE said (line)")
    with database:
        database.executemany("INSERT INTO said VALUES (?)", [(f"line {n}",) for n in range(rows)])
    return database


def back_up(config: Path, target: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "netd", "backup", "--config", str(config), str(target)]
    environ = {**os.environ, "HOME": str(config.parent)}  # there is no cloak.key
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)


def extracted(backup: Path, into: Path) -> dict[str, Path]:
    """The files of a backup by name, extracted as the manual says."""
    into.mkdir()
    command = ["tar", "--extract", "--file", str(backup), "--directory", str(into)]
    subprocess.run(command, check=True)
    return {path.name: path for path in into.rglob("*") if path.is_file()}


def test_a_backup_is_whole_while_the_chat_writes(start_daemon: StartDaemon, tmp_path: Path) -> None:
    daemon = start_daemon(prepare(tmp_path).removeprefix(INCLUDE))
    with daemon.connect("lounge") as client:
        client.sendall(b"NICK ann\r\nUSER ann 0 * :Ann\r\nPRIVMSG #lounge :hello\r\n")
        backup = tmp_path / "netd.tar.gz"
        made = back_up(daemon.config, backup)
    assert made.stdout == f"{backup}: files 2, databases 1\n", made.stderr
    assert backup.stat().st_mode & 0o777 == 0o600
    files = extracted(backup, tmp_path / "restored")
    assert set(files) == {daemon.config.name, "accounts", "chat.db"}
    assert files["accounts"].read_text() == ACCOUNTS
    with closing(sqlite3.connect(files["chat.db"])) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("PRAGMA user_version").fetchone() != (0,)


def test_what_is_not_checkpointed_is_in_the_backup(tmp_path: Path) -> None:
    path = tmp_path / "netd.toml"
    path.write_text(prepare(tmp_path))
    with closing(make_database(tmp_path / "state/chat.db", 1000)):
        assert (tmp_path / "state/chat.db-wal").stat().st_size
        back_up(path, tmp_path / "backup")
    files = extracted(tmp_path / "backup", tmp_path / "restored")
    assert set(files) == {"netd.toml", "echo.toml", "accounts", "chat.db"}
    with closing(sqlite3.connect(files["chat.db"])) as database:
        assert database.execute("SELECT count(*) FROM said").fetchone() == (1000,)


@pytest.fixture
def public_path() -> Iterator[Path]:
    """A directory that every user can search."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        yield Path(directory)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_root_leaves_no_file_that_the_daemon_cannot_use(public_path: Path) -> None:
    state = public_path / "state"
    path = public_path / "netd.toml"
    path.write_text(prepare(public_path))
    make_database(state / "chat.db", 10).close()
    for entry in (state, *state.iterdir()):
        os.chown(entry, _NOBODY, _NOBODY)
    made = back_up(path, public_path / "backup")
    assert made.returncode == 0, made.stderr
    assert {entry.stat().st_uid for entry in state.iterdir()} == {_NOBODY}
    with tarfile.open(public_path / "backup") as archive:
        owners = {member.name: member.uid for member in archive if "state" in member.name}
    assert set(owners.values()) == {_NOBODY}
    assert len(owners) == 2


@pytest.mark.parametrize("target", ["nowhere/backup", "state"])
def test_a_backup_that_cannot_be_written_leaves_nothing(tmp_path: Path, target: str) -> None:
    path = tmp_path / "netd.toml"
    path.write_text(prepare(tmp_path))
    before = sorted(tmp_path.iterdir())
    made = back_up(path, tmp_path / target)
    assert made.returncode == os.EX_UNAVAILABLE
    assert str(tmp_path / target) in made.stderr
    assert sorted(tmp_path.iterdir()) == before


def test_a_linked_database_is_a_file_in_the_backup(tmp_path: Path) -> None:
    path = tmp_path / "netd.toml"
    path.write_text(prepare(tmp_path))
    (tmp_path / "disk").mkdir()
    make_database(tmp_path / "disk/chat.db", 10).close()
    (tmp_path / "state/chat.db").symlink_to(tmp_path / "disk/chat.db")
    back_up(path, tmp_path / "backup")
    files = extracted(tmp_path / "backup", tmp_path / "restored")
    assert not files["chat.db"].is_symlink()
    with closing(sqlite3.connect(files["chat.db"])) as database:
        assert database.execute("SELECT count(*) FROM said").fetchone() == (10,)


@pytest.mark.parametrize("target", ["link", "fifo", "netd.toml", "accounts"])
def test_other_files_are_not_replaced_by_a_backup(tmp_path: Path, target: str) -> None:
    path = tmp_path / "netd.toml"
    path.write_text(prepare(tmp_path))
    (tmp_path / "link").symlink_to("/dev/null")
    os.mkfifo(tmp_path / "fifo")
    before = os.lstat(tmp_path / target)
    made = back_up(path, tmp_path / target)
    assert (made.returncode, made.stdout) == (os.EX_UNAVAILABLE, "")
    assert os.path.samestat(os.lstat(tmp_path / target), before)


def test_a_database_that_is_out_of_reach_is_no_missing_one(tmp_path: Path) -> None:
    path = tmp_path / "netd.toml"
    path.write_text(prepare(tmp_path))
    (tmp_path / "state/chat.db").symlink_to("chat.db")  # for root, nothing else is
    made = back_up(path, tmp_path / "backup")
    assert made.returncode == os.EX_UNAVAILABLE
    assert "chat.db: Too many levels of symbolic links" in made.stderr
    assert not (tmp_path / "backup").exists()


def test_a_database_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "netd.toml"
    path.write_text(prepare(tmp_path))
    (tmp_path / "state/chat.db").write_text("no database\n" * 100)
    made = back_up(path, tmp_path / "backup")
    assert made.stderr == f"netd: {tmp_path}/state/chat.db: file is not a database\n"
    assert not (tmp_path / "backup").exists()
