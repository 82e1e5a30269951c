"""netd-chat with the password of a server or of an account."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.client.conftest import LOUNGE, Run
from tests.conftest import StartDaemon
from tests.support import cheap_keys


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("open sesame\n")
    return path


def test_a_servers_password(start_daemon: StartDaemon, secret: Path, netd_chat: Run) -> None:
    daemon = start_daemon(f'{LOUNGE}password = "open sesame"\n')
    address = str(daemon.address("lounge"))
    given = ["--name", "bot", "--password-file", str(secret), "--send", "hi"]
    assert netd_chat(address, *given).returncode == 0
    refused = netd_chat(address, "--name", "bot", "--send", "hi")
    assert refused.returncode == 1
    assert "assword" in refused.stderr


@pytest.mark.parametrize("words", ["open sesame", "o" * 292, "o" * 302])  # 292: a full piece
def test_an_accounts_password(
    start_daemon: StartDaemon, secret: Path, netd_chat: Run, words: str
) -> None:
    secret.write_text(words)
    account = f'[[listeners.lounge.accounts]]\nname = "bot"\npassword = "{words}"\n'
    daemon = start_daemon(f"{LOUNGE}{account}")
    given = ["--name", "bot", "--password-file", str(secret), "--json", "--send", "hi"]
    done = netd_chat(str(daemon.address("lounge")), *given)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert any("logged in" in event.get("text", "") for event in events)


@pytest.mark.parametrize("password", [cheap_keys("open sesame"), "open sesame"])
def test_scram(start_daemon: StartDaemon, secret: Path, netd_chat: Run, password: str) -> None:
    account = f'[[listeners.lounge.accounts]]\nname = "bot"\npassword = "{password}"\n'
    daemon = start_daemon(f"{LOUNGE}{account}")
    given = ["--name", "bot", "--password-file", str(secret), "--scram", "--json", "--send", "hi"]
    done = netd_chat(str(daemon.address("lounge")), *given)
    assert done.returncode == 0, done.stderr
    assert "logged in as bot" in done.stdout


def test_a_wrong_account_password_is_reported(
    start_daemon: StartDaemon, secret: Path, netd_chat: Run
) -> None:
    account = '[[listeners.lounge.accounts]]\nname = "bot"\npassword = "another"\n'
    daemon = start_daemon(f"{LOUNGE}{account}")
    given = ["--name", "bot", "--password-file", str(secret), "--send", "hi"]
    done = netd_chat(str(daemon.address("lounge")), *given)
    assert done.returncode == 1
    assert done.stderr.startswith("netd-chat: SASL authentication failed\n")
    assert "bot: Nickname is reserved" in done.stderr
