from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from netd.config.check import check_files
from netd.config.load import read_config
from netd.config.model import Config
from netd.config.source import Source
from netd.errors import ConfigError, Problem
from netd.listeners.kinds import KINDS
from netd.protocols.password import hash_password
from tests.conftest import StartDaemon


def write(directory: Path, text: str) -> str:
    path = directory / "netd.toml"
    path.write_text(text)
    return str(path)


def checked(path: str) -> Config:
    return read_config(path, KINDS, lambda config, source: check_files(config, source, KINDS))


def problems(path: str) -> tuple[Problem, ...]:
    try:
        return checked(path).warnings
    except ConfigError as error:
        return error.problems


def test_missing_directories_are_found(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        f'[listeners.web]\nkind = "http"\naddress = ["tcp://127.0.0.1:0",\n"unix://{tmp_path}/no/s"]\n'
        f'[[listeners.web.routes]]\npath = "/"\ndirectory = "{tmp_path}/none"\n',
    )
    found = problems(path)
    assert sorted((problem.key, problem.line) for problem in found) == [
        ("listeners.web.address.1", 4),
        ("listeners.web.routes.0.directory", 7),
    ]
    assert f"there is no directory {tmp_path}/no" in "".join(map(str, found))


def test_files_that_cannot_be_created_are_found(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        f'[netd]\ncontrol = "{tmp_path}/no/control"\n'
        '[listeners.web]\nkind = "http"\naddress = "tcp://127.0.0.1:0"\n'
        f'access_log = "{tmp_path}"\n'
        '[listeners.lounge]\nkind = "chat"\naddress = "tcp://127.0.0.1:0"\n'
        f'history_file = "{tmp_path}/no/history"\n',
    )
    assert list(map(str, problems(path))) == [
        f"{path}:2: netd.control: there is no directory {tmp_path}/no",
        f"{path}:6: listeners.web.access_log: {tmp_path} is a directory",
        f"{path}:10: listeners.lounge.history_file: there is no directory {tmp_path}/no",
    ]


@pytest.mark.parametrize("log", ["", "-", "/dev/null", "{}/new", "{}/netd.toml"])
def test_files_that_can_be_written_are_accepted(tmp_path: Path, log: str) -> None:
    path = write(tmp_path, f'{WEB}access_log = "{log.format(tmp_path)}"\n')
    assert problems(path) == ()


def test_problems_of_the_machine_are_reported_with_those_of_the_file(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '[netd]\ndrain_timeout = "soon"\n'
        '[listeners.web]\nkind = "http"\naddress = "tcp://127.0.0.1:0"\nworker = 2\n'
        f'[[listeners.web.routes]]\ndirectory = "{tmp_path}/none"\n'
        f'[listeners.lounge]\nkind = "chat"\naddress = "unix://{tmp_path}/no/s"\nworkers = 2\n',
    )
    with pytest.raises(ConfigError) as caught:
        checked(path)
    assert [(problem.line, problem.key) for problem in caught.value.problems] == [
        (2, "netd.drain_timeout"),
        (6, "listeners.web.worker"),
        (8, "listeners.web.routes.0.directory"),
        (11, "listeners.lounge.address"),
        (12, "listeners.lounge.workers"),
    ]


def test_a_key_of_digits_has_its_line(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        f'[listeners.7]\nkind = "http"\naddress = ["tcp://127.0.0.1:0",\n"unix://{tmp_path}/no/s"]\n'
        f'[[listeners.7.routes]]\ndirectory = "{tmp_path}"\n'
        '[listeners.7.routes.error_pages]\n400 = "none"\n404 = "none"\n',
    )
    found = problems(path)
    assert sorted((problem.key, problem.line) for problem in found) == [
        ("listeners.7.address.1", 4),
        ("listeners.7.routes.0.error_pages.400", 8),
        ("listeners.7.routes.0.error_pages.404", 9),
    ]


WEB = '[listeners.web]\nkind = "http"\naddress = "tcp://127.0.0.1:0"\n'


def test_a_problem_without_a_known_key_has_no_line(tmp_path: Path) -> None:
    def check(_: Config, __: Source) -> list[Problem]:
        return [Problem("nowhere", "x")]

    path = write(tmp_path, WEB)
    with pytest.raises(ConfigError, match=f"^{path}: nowhere: x$"):
        read_config(path, KINDS, check)


LOUNGE = f"""
[listeners.lounge]
kind = "chat"
address = "tcp://127.0.0.1:0"
password = "hunter2"
opers = [{{ name = "ann", password = "hunter2" }}]
accounts = [
  {{ name = "ann", password = "{hash_password("hunter2", bytes(16))}" }},
  {{ name = "bob", password = "hunter2" }},
]
"""


def test_a_plain_password_in_a_file_that_all_can_read_gives_a_warning(tmp_path: Path) -> None:
    path = write(tmp_path, LOUNGE)
    Path(path).chmod(0o644)
    config = checked(path)
    advice = f"warning: every user can read it; hash it with `netd passwd`, or chmod o-r {path}"
    assert list(map(str, config.warnings)) == [
        f"{path}:5: listeners.lounge.password: {advice}",
        f"{path}:6: listeners.lounge.opers.0.password: {advice}",
        f"{path}:9: listeners.lounge.accounts.1.password: {advice}",
    ]
    Path(path).chmod(0o640)
    assert checked(path).warnings == ()


def test_the_advice_for_a_plain_password_lets_the_daemon_read_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, LOUNGE)
    Path(path).chmod(0o644)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    monkeypatch.setattr(os, "getegid", lambda: 54321)
    monkeypatch.setattr(os, "getgroups", list)
    assert f"or chgrp 54321 {path} && chmod 640 {path}" in str(checked(path).warnings[0])


def test_errors_are_reported_without_warnings(tmp_path: Path) -> None:
    path = write(tmp_path, f"{LOUNGE}workers = 2\n")
    Path(path).chmod(0o644)
    with pytest.raises(ConfigError) as caught:
        checked(path)
    assert [problem.line for problem in caught.value.problems] == [11]


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir])
def test_a_log_that_is_no_file_is_found(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "log")
    path = write(tmp_path, f'{WEB}access_log = "{tmp_path}/log"\n')
    [problem] = problems(path)
    assert problem.key == "listeners.web.access_log"


def test_a_key_that_all_can_read_is_not_to_be_hashed(tmp_path: Path) -> None:
    key = hash_password("hunter2", bytes(16))
    path = write(tmp_path, f'{WEB.replace("http", "chat")}cloak_key = "{key}"\n')
    Path(path).chmod(0o644)
    [warning] = checked(path).warnings
    assert warning.message == f"every user can read it; chmod o-r {path}"


def test_a_daemon_logs_warnings_and_serves(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(LOUNGE)
    daemon.config.chmod(0o644)
    check = daemon.netd("check")
    assert check.returncode == 0
    assert check.stderr.count("warning: every user can read it") == 3
    assert "1 listener, no fault found" in check.stdout
    before = daemon.log.read_text().count("warning: every user can read it")
    assert not daemon.reload().error
    assert daemon.log.read_text().count("warning: every user can read it") == before + 3
    for command in (["config", "show"], ["status"], ["status", "--json"]):
        assert "hunter2" not in daemon.netd(*command).stdout
