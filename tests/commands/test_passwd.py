"""`netd passwd`: what it prints is what the configuration takes."""

from __future__ import annotations

import os
import subprocess
import sys

import pexpect
import pytest

from netd.protocols.password import matches
from tests.support import PATIENCE_S

COMMAND = [sys.executable, "-m", "netd", "passwd"]


def piped(text: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *options]
    return subprocess.run(
        command, input=text, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


def test_a_line_from_a_pipe_is_hashed_each_time_with_another_salt() -> None:
    first, second = piped("open sesame\n"), piped("open sesame")
    assert first.returncode == second.returncode == 0
    assert first.stdout != second.stdout
    for done in (first, second):
        assert matches("open sesame", done.stdout.rstrip("\n"))
        assert not matches("open", done.stdout.rstrip("\n"))


def test_the_keys_of_scram_are_a_hash_too() -> None:
    stored = piped("open sesame\n", "--scram").stdout.rstrip("\n")
    assert stored.startswith("$scram-sha-256$i=600000$")
    assert matches("open sesame", stored)
    assert not matches("open", stored)


def test_nothing_is_no_password() -> None:
    done = piped("\n")
    assert (done.returncode, done.stdout) == (64, "")
    assert "the password is empty" in done.stderr


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_a_password_that_is_not_text_is_refused(locale: str) -> None:
    environ = {**os.environ, "LC_ALL": locale}
    done = subprocess.run(
        COMMAND, input=b"p\xffw", capture_output=True, timeout=PATIENCE_S, env=environ, check=False
    )
    assert (done.returncode, done.stdout) == (64, b"")
    assert done.stderr == b"netd: a password is UTF-8 text\n"


@pytest.mark.parametrize(("again", "status"), [("sesame", 0), ("sesam", 64)])
def test_a_terminal_prompts_twice_without_echo(again: str, status: int) -> None:
    terminal = pexpect.spawn(COMMAND[0], COMMAND[1:], encoding="utf-8", timeout=PATIENCE_S)
    terminal.expect("Password: ")
    terminal.sendline("sesame")
    terminal.expect("Again: ")
    terminal.sendline(again)
    rest = terminal.read()
    terminal.close()
    assert terminal.exitstatus == status
    assert "sesam" not in rest
    if not status:
        assert matches("sesame", rest.strip())
