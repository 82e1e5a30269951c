"""`netd account`: what it changes in the database of a chat, while that runs or does not."""

from __future__ import annotations

import argparse
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from netd.commands import account
from netd.config.load import read_config
from netd.errors import NetdError
from netd.listeners.chat import KIND
from netd.listeners.chat.storage.schema import VERSION
from netd.listeners.kinds import KINDS
from netd.protocols.password import matches
from tests.listeners.chat.test_service import Irc
from tests.support import PATIENCE_S, WorkerUnderTest, wait_until

CONFIG = """
[listeners.lounge]
kind = "chat"
address = "tcp://127.0.0.1:0"
history_file = "{0}/chat.db"
nick_length = 20
[[listeners.lounge.accounts]]
name = "anna"
password = "sesame-open"
[listeners.echo]
address = "tcp://127.0.0.1:0"
kind = "echo"
"""
Run = Callable[[str], list[str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `netd account` with a command line; `sesame-open` is typed as the password."""
    path = tmp_path / "netd.toml"
    path.write_text(CONFIG.format(tmp_path))
    monkeypatch.setattr(account, "read_password", lambda: "sesame-open")
    config = read_config(str(path), KINDS)
    parser = argparse.ArgumentParser()
    account.add_arguments(parser)

    def run_line(line: str) -> list[str]:
        return list(account.carry_out(parser.parse_args(line.split()), config, str(path)))

    return run_line


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(query).fetchall()


LATER = "; a running chat takes it over within some seconds"


def test_the_life_of_an_account(run: Run, tmp_path: Path) -> None:
    assert run("list") == []
    assert run("add Bob") == [f"the account Bob is added{LATER}"]
    assert run("suspend bob --reason spam") == [f"the account Bob is suspended{LATER}"]
    assert run("list")[0].endswith("  suspended: spam")
    assert run("unsuspend bob") == [f"the account Bob is not suspended any more{LATER}"]
    assert run("list")[0].endswith("  active")
    assert run("passwd BOB") == [f"the account Bob is given a new password{LATER}"]
    ((stored,),) = rows(tmp_path / "chat.db", "SELECT password FROM account")
    assert matches("sesame-open", str(stored))
    run("drop bob")
    assert run("list")[0].endswith("  dropped")
    run("erase bob")
    assert run("list") == []


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("drop bob", "there is no account bob"),
        ("passwd bob", "there is no account bob"),
        ("erase carl", "the account carl is in use; drop it first"),
        ("add carl", "the name carl is taken"),
        ("add anna", "anna is an account of the configuration; change it there"),
        ("suspend anna", "anna is an account of the configuration; change it there"),
        ("add 1st", "The name of an account has the form of a nick"),
        ("add NickServ", "The name is reserved"),
        ("add", "account add needs the name of an account"),
        ("list carl", "account list shows all accounts; name none"),
        ("list --listener echo", "no chat listener is named echo"),
    ],
)
def test_what_is_refused(run: Run, line: str, fault: str) -> None:
    run("add carl")
    with pytest.raises(NetdError, match=f"^{fault}$"):
        run(line)


@pytest.mark.parametrize("line", ["add \udcff", "suspend bob --reason \udcff"])
def test_bytes_that_are_no_text_are_a_usage_error(
    run: Run, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    with pytest.raises(SystemExit):
        run(line)
    assert r"'\udcff' is not UTF-8 text" in capsys.readouterr().err


def test_a_weak_password_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "read_password", lambda: "short")
    with pytest.raises(NetdError, match="at least 8 characters"):
        run("add bob")


@pytest.mark.parametrize("version", [0, VERSION + 1])
def test_a_file_of_another_version_is_not_touched(run: Run, tmp_path: Path, version: int) -> None:
    with closing(sqlite3.connect(tmp_path / "chat.db")) as other:
        other.execute("CREATE TABLE line (column)")
        other.execute(f"PRAGMA user_version = {version}")
    before = (tmp_path / "chat.db").read_bytes()
    with pytest.raises(NetdError, match="start this one first" if version == 0 else "its version"):
        run("add bob")
    assert (tmp_path / "chat.db").read_bytes() == before


def test_a_locked_or_damaged_file_is_an_error(run: Run, tmp_path: Path) -> None:
    run("add bob")
    (tmp_path / "chat.db").write_bytes(b"no database at all" * 1000)
    with pytest.raises(NetdError, match="not a database"):
        run("list")


def test_the_exit_status(tmp_path: Path) -> None:
    path = tmp_path / "netd.toml"
    path.write_text(CONFIG.format(tmp_path))
    command = [sys.executable, "-m", "netd", "account", "--config", str(path), "drop", "bob"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert (done.returncode, done.stderr) == (os.EX_UNAVAILABLE, "netd: there is no account bob\n")


def test_a_running_chat_carries_out_the_changes(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "chat.db"
    options = {"server_name": "irc.test", "history_file": str(file), "registration": {}}
    with closing(WorkerUnderTest(KIND, options, ["tcp://127.0.0.1:0"])) as worker:
        bob = Irc(worker.connect()).register("bob")

        def change(line: str) -> None:
            run(line)
            wait_until(lambda: not rows(file, "SELECT * FROM account_edit"), line)

        change("add bob")
        bob.send("NS IDENTIFY bob sesame-open")
        bob.expect("You are now logged in to the account bob")
        change("suspend bob --reason spam")
        bob.expect("ERROR :Closing link: 127.0.0.1 (The account is suspended (spam))")
        change("unsuspend bob")
        again = Irc(worker.connect()).register("guest")
        again.send("NS IDENTIFY bob sesame-open")
        again.expect("You are now logged in to the account bob")
        change("drop bob")
        again.expect(" 901 ")
        again.send("NICK bob", "REGISTER * * sesame-open")
        again.expect("ACCOUNT_EXISTS")
        change("erase bob")
        again.send("NS REGISTER sesame-open")
        again.expect("The account bob is registered")
        bob.close()
        again.close()


def test_changes_are_carried_out_at_the_start(run: Run, tmp_path: Path) -> None:
    """Also if the chat has stored its own state of the account after them, and was killed."""
    run("add bob")
    run("suspend bob")
    with closing(sqlite3.connect(tmp_path / "chat.db")) as database:
        database.execute("UPDATE account SET settings = '{}'")
        database.commit()
    options = {"server_name": "irc.test", "history_file": str(tmp_path / "chat.db")}
    with closing(WorkerUnderTest(KIND, options, ["tcp://127.0.0.1:0"])):
        query = "SELECT * FROM account_edit"
        wait_until(lambda: not rows(tmp_path / "chat.db", query), "the changes")
    assert run("list")[0].endswith("  suspended: no reason given")
