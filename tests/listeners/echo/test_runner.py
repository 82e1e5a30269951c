"""A slot's process or thread, as the pool starts it and learns of its end."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from netd.config.schema import read_options
from netd.listeners.echo.mailbox import Mailbox
from netd.listeners.echo.options import EchoOptions
from netd.listeners.echo.runner import ForkRunner, SlotRunner, ThreadRunner
from netd.listeners.echo.scoreboard import Scoreboard
from netd.listeners.echo.slot import SlotConfig
from netd.runtime import process
from netd.runtime.loop import Loop, OnReady
from netd.runtime.poller import EpollPoller


class FullLoop(Loop):
    """A loop that cannot watch another descriptor."""

    def watch(self, _fd: int, _mask: int, _callback: OnReady) -> None:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")


@pytest.fixture
def config() -> Iterator[SlotConfig]:
    wakeup = os.eventfd(0)
    mailbox = Mailbox(lambda _delivery: None)
    with socket.create_server(("127.0.0.1", 0)) as sock, mailbox.inlet, mailbox.outlet:
        sock.setblocking(False)
        options = read_options(EchoOptions, {"address": "tcp://127.0.0.1:0"})
        yield SlotConfig(Scoreboard(), 0, options, [sock], mailbox, wakeup)
    os.close(wakeup)


def test_an_end_that_cannot_be_collected_yet_is_waited_for(
    config: SlotConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    reap, not_yet = process.Process.reap, [None]
    monkeypatch.setattr(
        process.Process, "reap", lambda self: not_yet.pop() if not_yet else reap(self)
    )
    loop = Loop(EpollPoller())
    ended: list[tuple[SlotRunner, str]] = []
    runner = ForkRunner(loop, config, lambda *end: ended.append(end))
    runner.kill()
    while not ended:
        loop.turn()
    assert (ended, not_yet) == ([(runner, "")], [])
    loop.close()


@pytest.mark.parametrize("runner_class", [ForkRunner, ThreadRunner])
def test_a_slot_that_cannot_be_watched_leaves_nothing_behind(
    config: SlotConfig, runner_class: type[ForkRunner | ThreadRunner]
) -> None:
    loop = FullLoop(EpollPoller())
    before = _held()
    with pytest.raises(OSError, match="Cannot allocate"):
        runner_class(loop, config, lambda *_: None)
    assert _held() == before
    loop.close()


def _held() -> tuple[list[str], str, int]:
    """The descriptors, child processes and threads of this process."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    return sorted(os.listdir("/proc/self/fd")), children, threading.active_count()
