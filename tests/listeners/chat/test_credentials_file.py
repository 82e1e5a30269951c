"""Files of accounts and operators beside the configuration."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from netd.config.schema import read_options
from netd.listeners.certificate import Certificate
from netd.listeners.chat import KIND
from netd.listeners.chat.credentials_file import CredentialsFile
from netd.listeners.chat.options import ChatOptions
from netd.listeners.tls_options import TlsOptions
from netd.protocols.password import hash_password
from tests.conftest import StartWorker
from tests.listeners.chat.test_service import Irc
from tests.support import WorkerUnderTest, make_certificate, wait_until


def entry(name: str, password: str) -> str:
    return f"{name}:{hash_password(password, bytes(16))}\n"


def logs_in(worker: WorkerUnderTest, name: str, password: str) -> bool:
    client = Irc(worker.connect())
    client.send("CAP REQ sasl", "AUTHENTICATE PLAIN")
    client.expect("AUTHENTICATE +")
    said = f"\0{name}\0{password}".encode()
    client.send(f"AUTHENTICATE {base64.b64encode(said).decode()}")
    answer = client.expect(" 90").split()[1]
    client.close()
    return answer == "900"


def becomes_oper(worker: WorkerUnderTest, name: str, password: str) -> bool:
    client = Irc(worker.connect()).register("ann")
    client.send(f"OPER {name} {password}", "PING done")
    answer = client.expect(" ann")
    while " 381 " not in answer and " 464 " not in answer:
        answer = client.expect(" ann")
    client.close()
    return " 381 " in answer


def test_a_file_is_read_again_when_it_changes(start_worker: StartWorker, tmp_path: Path) -> None:
    people = tmp_path / "people"
    people.write_text("# ours\n\n" + entry("anna", "sesame"))
    options = {"accounts_file": str(people), "opers_file": str(people)}
    worker = start_worker(KIND, options, ["tcp://127.0.0.1:0"])
    assert logs_in(worker, "anna", "sesame")
    assert not logs_in(worker, "anna", "")
    assert not logs_in(worker, "bert", "sesame")
    assert becomes_oper(worker, "anna", "sesame")
    people.write_text("no line of ours\n")
    assert logs_in(worker, "anna", "sesame")
    people.write_text(entry("bert", "open"))
    wait_until(lambda: logs_in(worker, "bert", "open"), "the new file")
    assert not logs_in(worker, "anna", "sesame")
    assert not becomes_oper(worker, "anna", "sesame")


def test_a_file_that_is_gone_is_told_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    people = tmp_path / "people"
    people.write_text(entry("anna", "sesame"))
    file = CredentialsFile(str(people))
    certificate = Certificate(TlsOptions(**make_certificate(tmp_path, "one.test")))
    for path, refresh in ((people, file.refresh), (tmp_path / "one.test.pem", certificate.refresh)):
        for _ in range(2):
            path.rename(tmp_path / "elsewhere")
            refresh()
            refresh()
            (tmp_path / "elsewhere").rename(path)
            refresh()
    warnings = [each for each in caplog.messages if "No such file" in each]
    assert len(warnings) == 4
    assert list(file.value) == ["anna"]


def test_what_the_configuration_itself_says_counts(
    start_worker: StartWorker, tmp_path: Path
) -> None:
    people = tmp_path / "people"
    people.write_text(entry("anna", "sesame"))
    options = {
        "accounts_file": str(people),
        "accounts": [{"name": "Anna", "password": "the other"}],
    }
    worker = start_worker(KIND, options, ["tcp://127.0.0.1:0"])
    assert logs_in(worker, "anna", "the other")
    assert not logs_in(worker, "anna", "sesame")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("anna\n", "people:1: what follows 'anna' is no hash"),
        ("# x\nanna:sesame\n", "people:2: what follows 'anna' is no hash"),
        ("anna:$scrypt$x\n", "people:1: not a scrypt hash"),
        (":x\n", "people:1: not NAME:HASH"),
        (entry("anna", "a") + entry("anna", "b"), "people:2: 'anna' a second time"),
        ("#" * 2**20 + "#", "more than 1048576 bytes"),
        (None, "No such file"),
    ],
)
def test_netd_check_finds_what_is_wrong_with_it(tmp_path: Path, text: str | None, why: str) -> None:
    people = tmp_path / "people"
    if text is not None:
        people.write_text(text)
    options = read_options(
        ChatOptions, {"kind": "chat", "address": "tcp://127.0.0.1:0", "accounts_file": str(people)}
    )
    [problem] = KIND.check(options)
    assert problem.key == "accounts_file"
    assert why in problem.message
