"""Files of accounts and operators beside the configuration."""

from __future__ import annotations

import base64
import itertools
import os
from pathlib import Path

import pytest

from netd.config.schema import read_options
from netd.listeners.certificate import Certificate
from netd.listeners.chat import KIND
from netd.listeners.chat.credentials_file import CredentialsFile
from netd.listeners.chat.options import ChatOptions
from netd.listeners.tls_options import TlsOptions
from tests.conftest import StartWorker
from tests.listeners.chat.test_service import Irc
from tests.support import WorkerUnderTest, cheap_hash, make_certificate, wait_until


def entry(name: str, password: str) -> str:
    return f"{name}:{cheap_hash(password)}\n"


_sources = (f"127.1.{number // 256}.{number % 256}" for number in itertools.count(1))


def logs_in(worker: WorkerUnderTest, name: str, password: str) -> bool:
    """Whether a password is right; from another address each time, since guesses are delayed."""
    client = Irc(worker.connect(source=next(_sources)))
    client.send("CAP REQ sasl", "AUTHENTICATE PLAIN")
    client.expect("AUTHENTICATE +")
    response = f"\0{name}\0{password}".encode()
    client.send(f"AUTHENTICATE {base64.b64encode(response).decode()}")
    numeric = client.expect(" 90").split()[1]
    client.close()
    return numeric == "900"


def becomes_oper(worker: WorkerUnderTest, name: str, password: str) -> bool:
    client = Irc(worker.connect()).register("ann")
    client.send(f"OPER {name} {password}", "PING done")
    reply = client.expect(" ann")
    while " 381 " not in reply and " 464 " not in reply:
        reply = client.expect(" ann")
    client.close()
    return " 381 " in reply


def test_a_file_is_read_again_when_it_changes(start_worker: StartWorker, tmp_path: Path) -> None:
    path = tmp_path / "people"
    path.write_text("# comment\n\n" + entry("anna", "sesame"))
    options = {"accounts_file": str(path), "opers_file": str(path)}
    worker = start_worker(KIND, options, ["tcp://127.0.0.1:0"])
    assert logs_in(worker, "anna", "sesame")
    assert not logs_in(worker, "anna", "")
    assert not logs_in(worker, "bert", "sesame")
    assert becomes_oper(worker, "anna", "sesame")
    path.write_text("not a line of this format\n")
    assert logs_in(worker, "anna", "sesame")
    path.write_text(entry("bert", "open"))
    wait_until(lambda: not logs_in(worker, "anna", "sesame"), "the new file")
    assert logs_in(worker, "bert", "open")
    assert not becomes_oper(worker, "anna", "sesame")


def test_a_missing_file_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "people"
    path.write_text(entry("anna", "sesame"))
    file = CredentialsFile(str(path))
    certificate = Certificate(TlsOptions(**make_certificate(tmp_path, "one.test")))
    for watched, refresh in (
        (path, file.refresh),
        (tmp_path / "one.test.pem", certificate.refresh),
    ):
        for _ in range(2):
            watched.rename(tmp_path / "elsewhere")
            refresh()
            refresh()
            (tmp_path / "elsewhere").rename(watched)
            refresh()
    warnings = [message for message in caplog.messages if "No such file" in message]
    assert len(warnings) == 4
    assert list(file.value) == ["anna"]


def test_an_account_in_the_configuration_replaces_the_one_in_the_file(
    start_worker: StartWorker, tmp_path: Path
) -> None:
    path = tmp_path / "people"
    path.write_text(entry("anna", "sesame"))
    options = {
        "accounts_file": str(path),
        "accounts": [{"name": "Anna", "password": "the other"}],
    }
    worker = start_worker(KIND, options, ["tcp://127.0.0.1:0"])
    assert logs_in(worker, "anna", "the other")
    assert not logs_in(worker, "anna", "sesame")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("anna\n", "people:1: not NAME:HASH"),  # the whole line may be a password
        ("# x\nanna:sesame\n", "people:2: the text after 'anna' is not a hash"),
        ("anna:$scrypt$x\n", "people:1: not a scrypt hash"),
        (":x\n", "people:1: not NAME:HASH"),
        (entry("anna", "a") + entry("anna", "b"), "people:2: 'anna' is there twice"),
        ("#" * 2**20 + "#", "Has more than 1048576 bytes"),
        (None, "No such file"),
    ],
)
def test_netd_check_finds_the_faults_of_a_file(
    tmp_path: Path, text: str | None, fault: str
) -> None:
    path = tmp_path / "people"
    if text is not None:
        path.write_text(text)
    options = read_options(
        ChatOptions, {"kind": "chat", "address": "tcp://127.0.0.1:0", "accounts_file": str(path)}
    )
    [problem] = KIND.check(options)
    assert problem.key == "accounts_file"
    assert fault in problem.message


def test_netd_check_does_not_wait_for_the_writer_of_a_fifo(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "people")
    options = read_options(
        ChatOptions,
        {
            "kind": "chat",
            "address": "tcp://127.0.0.1:0",
            "accounts_file": str(tmp_path / "people"),
            "tls": {"certificate": str(tmp_path / "people")},
        },
    )
    problems = KIND.check(options)
    assert {problem.key for problem in problems} == {"accounts_file", "tls.certificate"}
    assert all("Is not a regular file" in problem.message for problem in problems)
