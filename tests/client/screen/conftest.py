"""Fixtures: netd-chat on a pseudoterminal."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest

from tests.client.conftest import COMMAND
from tests.support import PATIENCE_S, Daemon

CTRL_C, CTRL_D, CTRL_R, TAB, ENTER = "\x03", "\x04", "\x12", "\t", "\r"
Start = Callable[..., "pexpect.spawn[str]"]


@pytest.fixture
def start_chat(lounge: Daemon, home: Path) -> Iterator[Start]:
    """Start netd-chat on a new pseudoterminal and wait until it has joined."""
    yield from start_on(lounge, home)


@pytest.fixture
def start_own_chat(own_lounge: Daemon, home: Path) -> Iterator[Start]:
    """The same with a daemon for this test alone."""
    yield from start_on(own_lounge, home)


def start_on(daemon: Daemon, home: Path) -> Iterator[Start]:
    del home
    started: list[pexpect.spawn[str]] = []

    def start(*arguments: str, name: str = "bob", **environ: str) -> pexpect.spawn[str]:
        chat = pexpect.spawn(
            sys.executable,
            [*COMMAND[1:], str(daemon.address("lounge")), "--name", name, "--plain", *arguments],
            env={**os.environ, "TERM": "xterm-256color", **environ},
            encoding="utf-8",
            timeout=PATIENCE_S,
            dimensions=(24, 80),
        )
        started.append(chat)
        chat.expect("here: ")
        return chat

    yield start
    for chat in started:
        chat.close(force=True)


def see(chat: pexpect.spawn[str], text: str) -> None:
    """Wait until the screen shows the words, with any colours between them."""
    between = r"(?:\x1b\[[0-9;?]*[a-zA-Z])*"
    chat.expect(
        between.join(
            re.escape(word) for word in re.split(r"(?=[ <>*-])|(?<=[ <>*-])", text) if word
        )
    )


def await_end(chat: pexpect.spawn[str]) -> int:
    chat.expect(pexpect.EOF)
    status: int = chat.wait()
    return status
